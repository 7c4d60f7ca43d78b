# SPDX-License-Identifier: GPL-3.0-or-later
"""What schemes of coded bits share: choice of mode and budget, entropy-coded items in codewords of a frame."""
