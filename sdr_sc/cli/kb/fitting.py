# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc kb fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdr_sc.cli.kb.shared import console, file_type, model_option, progress
from sdr_sc.cli.shared.options import DATA_SET, SNR_DB, check_points

if TYPE_CHECKING:
    from sdr_sc.semantic.knowledge.rules.fitting import Fitted


@click.command("fit", short_help="Find out how much one may count beside the decoder.")
@click.argument("base_file", metavar="BASE", type=file_type)
@model_option
@click.option(
    "--data-set",
    type=DATA_SET,
    required=True,
    help="The model's own data, of whose held-out items nothing may be lost.",
)
@click.option(
    "--calibration-set",
    type=DATA_SET,
    default="",
    metavar="OTHER",
    help="Another data set, whose classes stand for those that the base alone has  [needed where it has any]",
)
@click.option("-o", "--out", type=file_type, help="Rules to write  [BASE with .rules for its ending]")
@click.option(
    "--k", "k_list", multiple=True, type=click.IntRange(1), help="Symbols that rules are for  [all of the model]"
)
@click.option("--snr-db", "snrs_db", multiple=True, type=SNR_DB, help="SNRs to fit at, dB  [-5, 0, 5, 10, 15, 20]")
@click.option(
    "--allowed-loss",
    "allowed_points",
    default=0.15,
    show_default=True,
    type=click.FloatRange(0.0, 100.0),
    help="Points of accuracy that items of known classes may lose at any SNR, by what held-out ones show.",
)
@click.option("--task", default="", help="Whose classes are answered  [the model's first]")
@click.option("--items", default=1000, show_default=True, type=click.IntRange(50), help="Of the model's data, at most.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of items and noise.")
def fit(
    base_file: Path,
    model: str,
    data_set: str,
    calibration_set: str,
    out: Path | None,
    k_list: tuple[int, ...],
    snrs_db: tuple[float, ...],
    allowed_points: float,
    task: str,
    items: int,
    seed: int,
) -> None:
    """Fit the rules by which a receiver fuses what the base BASE says with what the decoder says, for each k.

    Items are received in simulated noise. Rules are for this version of the base alone: fit them again after an update.
    """
    from sdr_sc.errors import KnowledgeError
    from sdr_sc.results.rows import check_writable
    from sdr_sc.semantic.knowledge.base import KnowledgeBase
    from sdr_sc.semantic.knowledge.rules.fitting import SNRS_DB, FitSetting, fit_rules
    from sdr_sc.semantic.knowledge.storage.state import check_model
    from sdr_sc.semantic.weights import read_contract

    check_points(model, k_list)
    out = base_file.with_suffix(".rules") if out is None else out
    if out == base_file:
        raise KnowledgeError(f"{out} is the base; give the rules another name.")
    check_writable(out)
    contract, printer = read_contract(model), console()
    low, high = contract.training_snr_db
    wanted = tuple(sorted(set(snrs_db or (snr for snr in SNRS_DB if low <= snr <= high) or (low, high))))
    chosen = tuple(sorted(set(k_list or contract.k_list)))
    setting = FitSetting(data_set, calibration_set, chosen, wanted, allowed_points, items, seed)
    found: list[Fitted] = []
    with KnowledgeBase(base_file) as base:
        check_model(base.state, contract, base.named)
        with progress(printer, "numbers of symbols", len(chosen)) as show:

            def done(one: Fitted) -> None:
                found.append(one)
                show(len(found))

            rules = fit_rules(base, model, task or contract.tasks[0].name, setting, done)
    rules.save(out)
    for one in found:
        new = ", ".join(f"{100 * share:.1f} % at {snr_db:g} dB" for snr_db, share in one.new_right.items())
        of_new = f"; of the calibration set's new items right: {new}" if new else ""
        printer.print(f"k={one.k}: known items lose {one.lost_points:.2f} points at worst{of_new}", soft_wrap=True)
    local = f", for k={', '.join(map(str, rules.local))} with a local base" if rules.local else ""
    printer.print(
        f"wrote {out}: rules for version {rules.version} of base {rules.base_id}{local}", soft_wrap=True, markup=False
    )
