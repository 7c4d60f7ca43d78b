# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver knows and looks up at run time: knowledge bases, global and local."""
