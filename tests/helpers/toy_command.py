# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc`` in a process of its own that knows the toy data sets."""

from __future__ import annotations

import toy_joint

from sdr_sc.cli.main import main

if __name__ == "__main__":
    toy_joint.register()
    main()
