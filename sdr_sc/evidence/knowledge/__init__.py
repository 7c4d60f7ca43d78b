# SPDX-License-Identifier: GPL-3.0-or-later
"""What a knowledge base adds to a decoder's answers, and what it can do harm: measured over the air."""
