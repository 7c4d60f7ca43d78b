# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that are shown to a user as one line."""

from __future__ import annotations

import re


class SdrScError(Exception):
    """A user's mistake or a missing thing.

    The message is one sentence: it names the thing, says what is wrong, and how to fix it.
    """


class DataSetError(SdrScError):
    """A data set is missing or damaged."""


class ContractError(SdrScError):
    """A model's weights do not fit what they are used for."""


class ModelFaultError(ContractError):
    """A model computes something that is no number, from input that is."""


class KnowledgeError(SdrScError):
    """A knowledge base, or what is to go into one, is damaged or does not fit."""


class NumerologyError(SdrScError):
    """The parameters of the OFDM frame contradict each other."""


class ChannelError(SdrScError, ValueError):
    """A channel model's parameter, or a file of measured channels, makes no sense."""


class CaptureError(SdrScError):
    """A recording cannot be read or written, or contradicts itself."""


class MissingDependencyError(SdrScError):
    """A program, library, device or package that is needed is not installed."""


class FlowgraphError(SdrScError):
    """A flowgraph cannot be compiled or run, or did not end in time."""


class BlockError(FlowgraphError):
    """A block of a flowgraph got a bad parameter, or failed while it ran."""


_CLASSES = re.compile(r"(?:[A-Za-z]+(?:Error|error): )+(?:simusrp: )?")


def bare_reason(error: BaseException) -> str:
    """What an exception says, in one line and without the classes that libuhd writes in front of its own sentence.

    >>> bare_reason(RuntimeError("RuntimeError: simusrp: device 'right' is in use."))
    "device 'right' is in use."
    """
    text = " ".join(str(error).split())
    classes = _CLASSES.match(text)
    return text[classes.end() :] if classes and classes.end() < len(text) else text
