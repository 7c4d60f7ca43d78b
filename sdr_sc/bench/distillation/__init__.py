# SPDX-License-Identifier: GPL-3.0-or-later
"""The experiments on distillation: schemes, their training, what they reach on the test set, and what they cost."""
