# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed, what is missing, and what killed programs left behind."""
