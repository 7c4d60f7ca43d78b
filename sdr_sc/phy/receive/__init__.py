# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver, stage by stage: detection, synchronisation, channel estimate, header, payload."""
