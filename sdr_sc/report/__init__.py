# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages and figures of runs, sweeps and recordings."""
