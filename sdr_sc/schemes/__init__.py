# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemes that send items over the same frames: ours, and the baselines that it is measured against.

`catalogue.make_scheme` makes one by name, `link.run_scheme` measures it at one operating point.
"""
