# SPDX-License-Identifier: GPL-3.0-or-later
"""Running flowgraphs, experiments over them, and reports on their results."""
