# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many verbs have, worded once: the model and the data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.link.refinement.triggers import TRIGGERS
from sdr_sc.semantic.weights import DEFAULT_MODEL

model_option: Callable[[Any], Any] = click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Weights file, ONNX pair, or name of a shipped model."
)
data_set_option: Callable[[Any], Any] = click.option(
    "--data-set",
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
        return tuple(float(one) for one in value.split(","))
    except ValueError:
        raise click.BadParameter("give numbers with commas between, for example 0,5,10") from None
