# SPDX-License-Identifier: GPL-3.0-or-later
"""Large networks that students are distilled from."""
