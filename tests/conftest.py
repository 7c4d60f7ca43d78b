# SPDX-License-Identifier: GPL-3.0-or-later
"""For all tests: no test inherits a block failure from another, nor does pytest's own exit status."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_block_failure_left():
    yield
    from sdr_sc.blocks import _errors

    _errors.clear()
