# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb info``, ``query`` and ``verify``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.cli.kb.shared import console, file_type, model_option, progress, signature_option
from sdr_sc.cli.shared.options import MODEL


@click.command("info", short_help="What one holds.")
@click.argument("file", type=file_type)
@signature_option
def info(file: Path, required: str) -> None:
    """Show what a base is for and what it holds; all of it is read and checked but the pictures."""
    import time

    from sdr_sc.semantic.knowledge.storage.opening import open_any

    with open_any(file, required) as base:
        state, printer = base.state, console()
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(state.made_s))
        lines = {
            "base": f"{state.kind} {state.named()}",
            "model": f"{state.space.model_id}, contract (encoder) {state.space.contract_sha256[:16]}",
            "vectors": f"{state.space.name}, {state.space.dimension} numbers",
            "entries": f"{len(base):,}",
            "content": state.checksum or "not summed up",
            "changed": made,
            "signed by": state.signer or "nobody",
            "file": f"{file.stat().st_size / 1e6:.1f} MB",
        }
        for name, line in lines.items():
            printer.print(f"{name + ':':11}{line}", soft_wrap=True, markup=False)
        for task in base.tasks():
            names = base.names_of(task)
            some = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            printer.print(f"task {task}: {len(names):,} names: {some}", soft_wrap=True, markup=False)


@click.command("query", short_help="The entries that are nearest to a text or a picture.")
@click.argument("file", type=file_type)
@click.argument("asked", metavar="TEXT|PICTURE")
@model_option
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 1000), help="Entries.")
@click.option("--k", type=click.IntRange(1), help="Compare the first so many feature symbols alone  [all]")
@signature_option
def query(file: Path, asked: str, model: str, count: int, k: int | None, required: str) -> None:
    """Show the entries of FILE that are nearest to a text, or to the picture in a file, as MODEL sends it."""
    from rich.table import Table
    from rich.text import Text

    from sdr_sc.semantic.knowledge.features import FeatureMaker, FeatureVectors
    from sdr_sc.semantic.knowledge.items import item_of
    from sdr_sc.semantic.knowledge.storage.opening import open_any
    from sdr_sc.semantic.knowledge.storage.state import check_model
    from sdr_sc.semantic.weights import read_contract

    with open_any(file, required) as base:
        check_model(base.state, read_contract(model), base.named)
        kind = FeatureVectors.of_name(base.space.name)
        if k is not None and k > kind.k:
            raise click.BadParameter(f"the base has vectors of {kind.k} symbols", param_hint="--k")
        with console().status("loading the model"):
            maker = FeatureMaker(model, kind)
        found = base.search(maker.vectors(item_of(maker.encoder, asked)), count, None if k is None else 2 * k)
        table = Table("score", "title", "answers", "source", "key")
        for number, score in zip(found.ids[0].tolist(), found.similarity[0].tolist(), strict=True):
            if number < 0:
                break
            entry = base.entry(number)
            answers = "\n".join(f"{task}: {name}" for task, name in entry.answers.items())
            cells = (entry.title, answers, entry.source, entry.key)
            table.add_row(f"{score:.3f}", *(Text(cell) for cell in cells))
    console().print(table if table.row_count else "the base is empty")


@click.command("verify", short_help="Check all of one, also its pictures.")
@click.argument("file", type=file_type)
@click.option("--model", type=MODEL, default="", help="That it has to be for  [any]")
@signature_option
def verify(file: Path, model: str, required: str) -> None:
    """Check every entry, picture, checksum and signature of a base, and the structure of its file.

    Status 1 if anything is wrong.
    """
    from sdr_sc.semantic.knowledge.storage.opening import open_any
    from sdr_sc.semantic.knowledge.storage.state import check_model
    from sdr_sc.semantic.weights import read_contract

    printer = console()
    with open_any(file, required) as base:
        if model:
            check_model(base.state, read_contract(model), base.named)
        with progress(printer, "entries", len(base)) as show:
            faults = base.faults(show)
        signed = f"signed by {base.state.signer}" if base.state.signer else "not signed"
        if not faults:
            printer.print(f"{base.named} is whole: {len(base):,} entries, {signed}", soft_wrap=True, markup=False)
    for fault in faults:
        printer.print(f"{base.named}: {fault}", soft_wrap=True, markup=False)
    if faults:
        raise SystemExit(1)
