# SPDX-License-Identifier: GPL-3.0-or-later
"""The earlier name of `sdr_sc.blocks.item_source`, for programs of earlier versions; the next version drops it."""

from __future__ import annotations

import warnings

from sdr_sc.blocks.item_source import item_order, item_source
from sdr_sc.data.dataset import DEFAULT_DATA_SET

warnings.warn(
    "sdr_sc.blocks.image_source is now sdr_sc.blocks.item_source; import that.", DeprecationWarning, stacklevel=2
)

image_order = item_order


class image_source(item_source):
    """`item_source` with the names that its parameters had; see there."""

    def __init__(
        self, split: str = "test", images: int = 1000, seed: int = 1, data_set: str = DEFAULT_DATA_SET
    ) -> None:
        super().__init__(split, images, seed, data_set)
