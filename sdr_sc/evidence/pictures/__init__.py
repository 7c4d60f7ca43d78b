# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about received pictures, and their thumbnails."""
