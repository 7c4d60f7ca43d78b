# SPDX-License-Identifier: GPL-3.0-or-later
"""A generated flowgraph, with its options, in a process of its own that knows the toy data sets."""

from __future__ import annotations

import runpy
import sys

import toy_joint

if __name__ == "__main__":
    toy_joint.register()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
