# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether compiled kernels are there already, for a hint to the one who waits."""

from __future__ import annotations

from typing import Any


def is_compiled(kernel: Any) -> bool:
    """Whether numba has a kernel in its cache; without it, the first call compiles, which takes seconds to a minute.

    True where numba does not report it: this is for a hint alone.

    Args:
        kernel: a function under ``njit(cache=True)``.
    """
    try:
        return bool(vars(kernel)["_cache"]._cache_file._load_index())
    except Exception:  # parts of numba that it does not promise to keep
        return True
