# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb build``, ``diff``, ``update`` and ``key``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from sdr_sc.cli.kb.shared import console, file_type, model_option, progress, sign_option, signature_option
from sdr_sc.cli.shared.options import SNR_DB
from sdr_sc.data.splits import SPLITS

if TYPE_CHECKING:
    from sdr_sc.data.dataset import Split


@click.command("build", short_help="Make a base from a data set, pictures or texts.")
@click.argument("data_set", metavar="DATASET|FOLDER|CSV")
@model_option
@click.option("-o", "--out", required=True, type=file_type, help="File to write.")
@click.option("--split", default="train", show_default=True, type=click.Choice(SPLITS), help="Which of its parts.")
@click.option("--items", type=click.IntRange(1), help="The first so many items alone  [all]")
@click.option("--title", default="", help="For people  [the data set's name]")
@click.option("--k", type=click.IntRange(1), help="Feature symbols of a vector  [all that the model sends]")
@click.option("--snr-db", type=SNR_DB, help="That features are made for, dB  [10, within the model's training]")
@click.option("--continues", type=file_type, help="Make the next version of this base, of these items alone.")
@click.option("--add-to", type=file_type, help="Make the next version of this base, of its entries and these items.")
@sign_option
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads.")
def build(
    data_set: str,
    model: str,
    out: Path,
    split: str,
    items: int | None,
    title: str,
    k: int | None,
    snr_db: float | None,
    continues: Path | None,
    add_to: Path | None,
    secret: Path | None,
    threads: int,
) -> None:
    """Make a base of the items of a data set, of a folder with a folder of pictures for each class, or of a CSV file.

    A CSV file has a column 'text', and a column of answers for each task, such as 'classification'.
    Its vectors are the features that MODEL sends of each item. Items of equal bytes are one entry.
    """
    from sdr_sc.data.catalogue import check_known, load_dataset
    from sdr_sc.data.dataset import first_places
    from sdr_sc.data.texts import LONGEST_TEXT
    from sdr_sc.results.rows import check_writable
    from sdr_sc.semantic.knowledge.base import KnowledgeBase
    from sdr_sc.semantic.knowledge.features import FeatureMaker, FeatureVectors, usual_vectors
    from sdr_sc.semantic.knowledge.items import DatasetEntries, with_earlier
    from sdr_sc.semantic.knowledge.own_texts import load_own_texts
    from sdr_sc.semantic.knowledge.storage.create import check_new
    from sdr_sc.semantic.knowledge.storage.signatures import check_secret
    from sdr_sc.semantic.modalities.base import modality_of
    from sdr_sc.semantic.weights import read_contract

    if continues and add_to:
        raise click.UsageError("--continues leaves the earlier entries out and --add-to keeps them; give one of them.")
    check_writable(out)
    check_new(out)
    if secret is not None:
        check_secret(secret)
    is_csv = data_set.lower().endswith(".csv")
    if not is_csv:
        check_known(data_set)
    contract, earlier_file = read_contract(model), continues or add_to
    earlier = None if earlier_file is None else KnowledgeBase(earlier_file, contract)
    usual = usual_vectors(contract) if earlier is None else FeatureVectors.of_name(earlier.space.name)
    kind = FeatureVectors(k or usual.k, usual.snr_db if snr_db is None else snr_db)
    space = kind.space(contract)
    if earlier is not None and kind.name == earlier.space.name:
        space = earlier.space  # an earlier program's says the same with another checksum
    printer = console()
    if is_csv:
        data = load_own_texts(Path(data_set), modality_of(contract.modality).longest_text or LONGEST_TEXT)
    with printer.status("loading the model"):  # before the data set, which may take longer
        maker = FeatureMaker(model, kind, threads)
    if not is_csv:
        with printer.status("loading the data set"):  # which may have to be fetched or made first
            data = load_dataset(data_set, cast("Split", split))
    places, total = (None, len(data)) if items is None else (first_places(data, items), items)
    entries = DatasetEntries(data, maker, places, earlier)
    with progress(printer, "entries", total) as entries.progress:
        kept = with_earlier(entries, earlier) if add_to and earlier is not None else entries
        name = title or (earlier.state.title if earlier is not None else data.name)
        state = KnowledgeBase.create(out, space, kept, name, None if earlier is None else earlier.state)
    if secret is not None:
        with KnowledgeBase(out) as base:
            state = base.sign(secret)
    left = f"; left out: {entries.repeats} repeats, {entries.copies} of equal vectors" if entries.left_out else ""
    printer.print(f"wrote {out}: {state.named()}, {state.entries:,} entries{left}", soft_wrap=True, markup=False)


@click.command("diff", short_help="Write what makes one version from another.")
@click.argument("old", type=file_type)
@click.argument("new", type=file_type)
@click.option("-o", "--out", required=True, type=file_type, help="Increment to write.")
def diff(old: Path, new: Path, out: Path) -> None:
    """Write the increment that makes the base NEW from OLD, an earlier version of it.

    Where NEW is signed, the increment has its signature.
    """
    from sdr_sc.semantic.knowledge.base import KnowledgeBase
    from sdr_sc.semantic.knowledge.storage.increments import increment_between

    with KnowledgeBase(old) as earlier, KnowledgeBase(new) as later:
        increment = increment_between(earlier, later)
        increment.save(out)
    printer = console()
    printer.print(f"wrote {out}: {increment.summary()}", soft_wrap=True, markup=False)


@click.command("update", short_help="Bring a base to a later version.")
@click.argument("file", type=file_type)
@click.argument("increments", metavar="INCREMENT...", nargs=-1, required=True, type=file_type)
@signature_option
def update(file: Path, increments: tuple[Path, ...], required: str) -> None:
    """Apply increments to a base, in their order: each of them wholly or not at all."""
    from sdr_sc.semantic.knowledge.base import KnowledgeBase
    from sdr_sc.semantic.knowledge.storage.increments import apply_increment

    printer = console()
    with KnowledgeBase(file) as base:
        for path in increments:
            with printer.status("applying it"):
                increment = apply_increment(base, path, required)
            printer.print(f"{base.state.named()}: {increment.summary()}", soft_wrap=True, markup=False)


@click.command("key", short_help="Make a pair of keys for signatures.")
@click.argument("name", type=file_type)
def key(name: Path) -> None:
    """Make a pair of keys (ed25519): NAME.sign to hand out, and NAME.sign_secret, which only you can read."""
    from sdr_sc.semantic.knowledge.storage.signatures import make_pair, public_key

    public, secret = make_pair(name)
    printer = console()
    printer.print(
        f"public key, for receivers (--require-signature): {public}, {public_key(str(public))}",
        soft_wrap=True,
        markup=False,
    )
    printer.print(f"secret key, for you (--sign):                    {secret}", soft_wrap=True, markup=False)
