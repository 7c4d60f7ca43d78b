# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel codes of the digital rivals: LDPC of 5G NR with QAM."""
