# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model fits the images that experiments and the image source send."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

from sdr_sc.data import fashion_mnist
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract

_log = logging.getLogger(__name__)


def contract_for_images(model: str | Path) -> ModelContract:
    """Contract of a model that is for the images of the image source, read before anything is compiled or opened.

    A model that was trained on other images is warned about.

    Raises:
        ContractError: the model cannot be read, or is for items of another shape or number of classes.
        DataSetError: the data set is missing.
    """
    contract = weights.read_contract(model)
    data = fashion_mnist.load("test")
    contract.check_data(data.images.shape[1:], len(data.class_names))
    warn_of_other_images(contract, data)
    return contract


def warn_of_other_images(contract: ModelContract, data: fashion_mnist.ImageSet) -> None:
    """Log a warning, once for a model, if it was trained on another data set than it meets."""
    told = fashion_mnist.trained_on_others(contract.name, contract.data_set, contract.data_set_sha256, data)
    if told is not None:
        _warn_once(told)


@lru_cache(maxsize=32)
def _warn_once(told: str) -> None:
    _log.warning("warning: %s", told)
