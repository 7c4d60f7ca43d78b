# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF's metadata: members, annotations, segments, and what is wrong with them."""
