# SPDX-License-Identifier: GPL-3.0-or-later
"""One student for several tasks: what it learns from a large model's vectors and from the tasks' targets."""
