# SPDX-License-Identifier: GPL-3.0-or-later
"""The physical layer in plain numpy: frame, receiver and channel models. Imports neither GNU Radio nor torch."""
