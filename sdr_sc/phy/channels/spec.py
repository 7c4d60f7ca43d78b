# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of channel models as a line of text."""

from __future__ import annotations

import ast
import inspect
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels.base import Chain, ChannelModel, check_rate, generator
from sdr_sc.phy.channels.catalogue import MAKERS, Context
from sdr_sc.phy.channels.multipath import Multipath, power_on_subcarriers
from sdr_sc.phy.numerology import Numerology
from sdr_sc.shown import shown


@dataclass(frozen=True)
class ParsedChain:
    """A chain of models, cut where the caller's noise goes.

    Attributes:
        before: models in front of the noise.
        after: models after it.
        subcarrier_power: mean power gain of ``before`` on the occupied subcarriers, for `Awgn`.
    """

    before: Chain
    after: Chain
    subcarrier_power: float

    @property
    def models(self) -> list[ChannelModel]:
        """All models without the noise."""
        return [*self.before.models, *self.after.models]


NOISE = "noise"
LONGEST_TEXT = 10_000
"""Characters of a line; a hundred measured taps have 3,000."""
MODEL_NAMES = (*sorted(MAKERS), NOISE)
"""All names that `parse_chain` knows."""


def parse_chain(text: str, sample_rate_hz: float, seed: int, numerology: Numerology) -> ParsedChain:
    """Read a line such as ``tdl_c(delay_spread_ns=300, doppler_hz=5), noise(), quantise(bits=12)``.

    It lists models in the order in which the signal meets them: names with keywords and plain values, nothing that is
    computed. ``noise()`` stands for the caller's noise, at the end if it is left out; '' is the empty chain. Every
    random model gets its own seed, made from ``seed`` and its place in the line.

    Args:
        text: the line.
        sample_rate_hz: complex samples per second at the chain's input.
        seed: 0 or more.
        numerology: says on which subcarriers power is counted, and how strong the signal's samples are, to which
            ``clip``, ``dc_offset``, ``tone`` and ``gain_step`` refer.

    Raises:
        ChannelError: the line cannot be read, or a parameter makes no sense; in one sentence.

    >>> chain = parse_chain("multipath(taps=[0.6, 0.8j]), noise(), quantise(bits=8)", 1e6, 1, Numerology())
    >>> [type(model).__name__ for model in chain.models], round(chain.subcarrier_power, 2)
    (['Multipath', 'Quantise'], 1.0)
    """
    check_rate(sample_rate_hz)
    generator(seed)
    before: list[ChannelModel] = []
    after: list[ChannelModel] = []
    power, has_noise = 1.0, False
    for place, call in enumerate(_calls(text)):
        name, arguments = _read_call(call, text)
        if name == NOISE:
            if has_noise:
                raise ChannelError(f"channel models {_short(text)}: noise() stands twice; leave one.")
            has_noise = True
            continue
        context = Context(sample_rate_hz, numerology, _derived_seed(seed, place))
        model = MAKERS[name](context, **arguments)
        (after if has_noise else before).append(model)
        if not has_noise:
            power *= _power(model, numerology)
    return ParsedChain(Chain(before), Chain(after), power)


def _derived_seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(place,)).generate_state(1, np.uint64)[0])


def _power(model: ChannelModel, numerology: Numerology) -> float:
    return power_on_subcarriers(model.taps, numerology) if isinstance(model, Multipath) else model.mean_power


def _calls(text: str) -> Sequence[ast.expr]:
    if not text.strip():
        return ()
    if len(text) > LONGEST_TEXT:
        raise ChannelError(f"channel models have {len(text)} characters; use {LONGEST_TEXT} or fewer.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # the text is read, and never run
            tree = ast.parse(f"_({text.strip()}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None  # type: ignore[assignment]
    outer = isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "_"
    if not outer or tree.keywords:  # type: ignore[union-attr]
        raise ChannelError(
            f"channel models {_short(text)} cannot be read; write calls with commas between, "
            "such as tdl_c(delay_spread_ns=300, doppler_hz=5), clock_offset(ppm=20)."
        )
    return tree.args  # type: ignore[union-attr]


def _read_call(call: ast.expr, text: str) -> tuple[str, dict[str, Any]]:
    """Name and keyword arguments of a call, checked against the model's parameters."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ChannelError(
            f"channel models {_short(text)}: {_source(call)} is no call; write a model's name with parentheses, such "
            "as noise()."
        )
    name = call.func.id
    if name not in MODEL_NAMES:
        raise ChannelError(f"channel models: {_short(name)} is unknown; use one of {', '.join(MODEL_NAMES)}.")
    known = {} if name == NOISE else dict(list(inspect.signature(MAKERS[name], eval_str=True).parameters.items())[1:])
    known_names = ", ".join(known) or "none"
    if call.args:
        raise ChannelError(f"channel models: {name}() takes its parameters by name; they are: {known_names}.")
    values: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg not in known:
            got = "**" if keyword.arg is None else _short(keyword.arg)
            raise ChannelError(f"channel models: {name}() has no parameter {got}; its parameters are: {known_names}.")
        if keyword.arg in values:
            raise ChannelError(f"channel models: {name}() gives {keyword.arg} twice; leave one.")
        values[keyword.arg] = _value(name, known[keyword.arg], keyword.value)
    missing = [key for key, p in known.items() if p.default is inspect.Parameter.empty and key not in values]
    if missing:
        raise ChannelError(f"channel models: {name}() needs {missing[0]}; its parameters are: {known_names}.")
    return name, values


def _value(model: str, parameter: inspect.Parameter, node: ast.expr) -> Any:
    """A literal, of the kind that the parameter takes."""
    where = f"channel models: {parameter.name} of {model}()"
    try:
        value = ast.literal_eval(node)
        repr(value)  # numbers of thousands of digits cannot be printed, and none is valid here
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ChannelError(
            f"{where} is {_source(node)}; write a plain number, text in quotes, or a list of numbers."
        ) from None
    kind = parameter.annotation
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf
    fits, wanted = {
        int: (is_number and value == int(value), "a whole number"),
        bool: (isinstance(value, bool), "True or False"),
        str: (isinstance(value, str), "text in quotes"),
        list: (isinstance(value, (list, tuple)), "a list of numbers such as [1, 0.3j]"),
    }.get(kind, (is_number or (value is None and kind is not float), "a number"))
    if not fits:
        raise ChannelError(f"{where} is {_short(value)}; use {wanted}.")
    return int(value) if kind is int else value


def _source(node: ast.expr) -> str:
    """What a part of the line says, for a message."""
    try:
        return _short(ast.unparse(node))
    except (RecursionError, ValueError):
        return "a part"


def _short(value: Any) -> str:
    return shown(repr(value), 160)
