# SPDX-License-Identifier: GPL-3.0-or-later
"""What large models hold of data sets, before any student learns from them."""
