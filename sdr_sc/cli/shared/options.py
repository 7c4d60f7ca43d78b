# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many verbs have, worded once: the model and the data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import click

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.link.refinement.triggers import TRIGGERS
from sdr_sc.semantic.weights import DEFAULT_MODEL, resolve


class _Known(click.ParamType):
    """Text that is checked before a verb imports or loads what takes seconds."""

    name = "text"

    def __init__(self, check: Callable[[str], object]) -> None:
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value:
            self._check(str(value))
        return str(value)


class FiniteRange(click.FloatRange):
    """`click.FloatRange` takes NaN, as that is neither below nor above anything; this one does not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no finite number", param, ctx)
        return found


SNR_DB = FiniteRange(-200, 200)


def _check_data_set(spec: str) -> None:
    from sdr_sc.semantic.model_items import check_items

    check_items(spec)


def _check_data_sets(names: str) -> None:
    from sdr_sc.data.catalogue import check_known, dataset_names

    one_of = set(names.split(","))
    for name in one_of if one_of & set(dataset_names()) and "=" not in names else (names,):
        check_known(name)


MODEL, DATA_SET, DATA_SETS = _Known(resolve), _Known(_check_data_set), _Known(_check_data_sets)
"""Types of arguments and options that name a model, a data set, or several with commas: an unknown one is refused at
once."""


def check_points(model: str, k_list: Iterable[float] = (), channel: str = "") -> None:
    """Refuse what a measurement of a model would refuse after it has loaded all else.

    Args:
        k_list: feature symbols that it is to send.
        channel: models before the noise, '' for none.

    Raises:
        SdrScError: the model does not send so many symbols, or the channel is none.
    """
    from sdr_sc.phy.channels import parse_chain
    from sdr_sc.phy.numerology import Numerology
    from sdr_sc.semantic.weights import read_contract

    contract = read_contract(model)
    for k in k_list:
        contract.check_k(int(k) if k == int(k) else k)  # type: ignore[arg-type]
    if channel:
        parse_chain(channel, Numerology().sample_rate_hz, 0, Numerology())


model_option: Callable[[Any], Any] = click.option(
    "--model",
    type=MODEL,
    default=DEFAULT_MODEL,
    show_default=True,
    help="Weights file, ONNX pair, or name of a shipped model.",
)
data_set_option: Callable[[Any], Any] = click.option(
    "--data-set",
    type=DATA_SET,
    default=DEFAULT_DATA_SET,
    show_default=True,
    help="Name, or path of your own images: class folders, .npz, CIFAR's archive; 'PATH,size=32' scales them.",
)
mapping_option: Callable[[Any], Any] = click.option(
    "--mapping",
    default="interleave",
    show_default=True,
    type=click.Choice(["interleave", "importance"]),
    help="importance: the first symbols of all images on the subcarriers that the receiver reports as the strongest.",
)


def tasks_option(text: str, without: str = "none") -> Callable[[Any], Any]:
    """``--tasks``, names with commas between; ``without`` says what holds where it is left out."""
    return click.option("--tasks", default="", help=f"{text}: names with commas, such as retrieval  [{without}]")


gallery_option: Callable[[Any], Any] = click.option(
    "--gallery", default="", help="File of the entries that the task retrieval searches  [beside the model]"
)

question_option: Callable[[Any], Any] = click.option(
    "--question",
    default="",
    help="What each item is asked, where a task answers questions; '*': one of its own, out of the data set  [none]",
)


def refine_option(text: str) -> Callable[[Any], Any]:
    """``--refine``, which takes one of the triggers, or nothing for the receiver's confidence."""
    return click.option(
        "--refine",
        type=click.Choice(TRIGGERS),
        default=TRIGGERS[0],
        is_flag=False,
        flag_value=TRIGGERS[1],
        metavar="[TRIGGER]",
        help=f"{text} TRIGGER is confidence where it is left out, compare, or none.",
    )


def file_stem(data_set: str) -> str:
    """What files that belong to a data set are called by default.

    >>> file_stem("fashion_mnist"), file_stem("/home/me/my pictures,size=32"), file_stem("cifar-10-python.tar.gz")
    ('fashion_mnist', 'my pictures', 'cifar-10-python')
    """
    name = data_set.split(",")[0].rstrip("/").rpartition("/")[2]
    return name.partition(".")[0] or "data"


def number_list(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Callback of options that take numbers with commas between."""
    try:
        found = tuple(float(one) for one in value.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise click.BadParameter("give numbers with commas between, for example 0,5,10")
    return found
