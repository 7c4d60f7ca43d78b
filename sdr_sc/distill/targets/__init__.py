# SPDX-License-Identifier: GPL-3.0-or-later
"""What a teacher said of the views of each training image, stored once."""
