# SPDX-License-Identifier: GPL-3.0-or-later
"""Torch modules of the user's own, by import path."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from torch import nn

from sdr_sc.errors import ContractError
from sdr_sc.shown import reason_of, shown


def made_module(what: str, spec: str, wanted: str, **arguments: Any) -> nn.Module:
    """The torch module that ``module.path:callable`` makes; it is imported and called, and so runs code.

    Args:
        what: it is, for the sentences, such as ``teacher``.
        spec: the import path; modules of the current folder are found, too.
        wanted: what to give instead of one that cannot be made.
        arguments: of the call.

    Raises:
        ContractError: it cannot be imported or called, or makes no torch module.
    """
    module_name, _, attribute = spec.partition(":")
    # The command's path begins with the folder of the script; a user's own file is in the one where it is called.
    added = os.getcwd() not in sys.path
    if added:
        sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module_name), attribute)(**arguments)
    except Exception as error:
        raise ContractError(
            f"{what} {shown(spec, 200)} cannot be made ({type(error).__name__}: {reason_of(error)}); give {wanted}."
        ) from error
    finally:
        if added:
            sys.path.remove(os.getcwd())
    if not isinstance(made, nn.Module):
        raise ContractError(
            f"{what} {shown(spec, 200)} is a {type(made).__name__}; let the callable return a torch.nn.Module."
        )
    return made
