# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model fits the images that experiments and the image source send."""

from __future__ import annotations

from pathlib import Path

from sdr_sc.data import fashion_mnist
from sdr_sc.semantic import weights
from sdr_sc.semantic.contract import ModelContract


def contract_for_images(model: str | Path) -> ModelContract:
    """Contract of a model that is for the images of the image source, read before anything is compiled or opened.

    Raises:
        ContractError: the model cannot be read, or is for items of another shape or number of classes.
        DataSetError: the data set is missing.
    """
    contract = weights.read_contract(model)
    data = fashion_mnist.load("test")
    contract.check_data(data.images.shape[1:], len(data.class_names))
    return contract
