# SPDX-License-Identifier: GPL-3.0-or-later
"""All tasks of one transmission: quality over the air, controls, rivals, cost."""
