# SPDX-License-Identifier: GPL-3.0-or-later
"""What the student found, sent as few bits: vector-quantised features, and answers with their confidence."""
