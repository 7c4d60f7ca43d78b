# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of a finished model on its held-out items: accuracies, calibration, rounds of refinement."""
