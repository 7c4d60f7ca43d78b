# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdr_sc.cli.shared.bench_multitask import multitask
from sdr_sc.cli.shared.evidence.both_ends import both_ends
from sdr_sc.cli.shared.evidence.knowledge import knowledge
from sdr_sc.cli.shared.evidence.multitask_cost import multitask_cost
from sdr_sc.cli.shared.evidence.transfer import transfer
from sdr_sc.cli.shared.options import data_set_option, model_option
from sdr_sc.evidence.energy import EnergyModel
from sdr_sc.files import write_whole
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from sdr_sc.results.rows import Row
    from sdr_sc.sweep.config import SchemeEntry

_ENERGY = {
    "radiated_mw": "Mean radiated power, mW.",
    "backoff_db": "Of the amplifier, dB.",
    "efficiency": "Of the amplifier at its peak power.",
    "transmit_circuit_mw": "All else in the transmitting radio, mW.",
    "receive_circuit_mw": "The receiving radio, mW.",
    "float_pj": "One 32-bit floating-point operation, pJ.",
    "int8_pj": "One 8-bit operation, pJ.",
    "core_watts": "A busy core of a general processor, W.",
}


@click.group("evidence")
def evidence() -> None:
    """What sending features is worth against its rivals; docs/evidence.md holds the tables that these verbs print."""


@evidence.command("wins")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--ours", default="ours", show_default=True, help="Scheme that is compared with all others.")
@click.option("--means", is_flag=True, help="Leave out single SNRs where there is a mean over several.")
@click.option("--no-margins", is_flag=True, help="All trust the SNR that is fed back, and take no margin off it.")
@click.option("--each", is_flag=True, help="A line for each rival, in place of one for the strongest.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def wins(
    results: tuple[Path, ...], ours: str, means: bool, no_margins: bool, each: bool, json_path: Path | None
) -> None:
    """Who wins each setting of RESULTS, files of 'sdr-sc sweep': accuracy, payload symbols and whole frames.

    A setting's line shows the strongest of its rivals; ours wins it only if it wins against all.
    Nothing is measured; benchmarks/evidence holds the sweeps.
    """
    from sdr_sc.evidence.wins import comparisons, rows, table, table_of_settings, tally
    from sdr_sc.sealed import file_digest

    _check(json_path)
    found = [one for path in results for one in comparisons(path, ours, means, not no_margins)]
    click.echo((table if each else table_of_settings)(found, ours))
    click.echo()
    click.echo(tally(found, ours))
    config = {
        "results": {path.name: file_digest(path) for path in results},
        "ours": ours,
        "means": means,
        "margins": not no_margins,
    }
    _write(json_path, rows(found, ours), config)


@evidence.command("rates")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--target", "targets", multiple=True, type=click.FloatRange(0, 100, min_open=True), metavar="PERCENT",
    help="Accuracy to reach; repeatable.  [85, 90, 93]",
)  # fmt: skip
@click.option("--ours", default="ours", show_default=True, help="Scheme that the others' symbols are divided by.")
@click.option("--figure", "picture", type=click.Path(path_type=Path), help="Draw the curves into this PNG file.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def rates(
    results: tuple[Path, ...], targets: tuple[float, ...], ours: str, picture: Path | None, json_path: Path | None
) -> None:
    """Symbols that each scheme of RESULTS, files of 'sdr-sc sweep', needs for an accuracy at each SNR.

    Of the points that were measured the cheapest by payload counts. Its interval goes from the cheapest point whose
    accuracy may reach the target to the cheapest that surely does, by the 95 % intervals of the accuracies. Nothing is
    measured; benchmarks/rivals holds the sweep.
    """
    from sdr_sc.evidence.rates import TARGETS, figure, read_rates, rows, tables
    from sdr_sc.report.sweep.export import pictures_of
    from sdr_sc.sealed import file_digest

    _check(json_path)
    found = read_rates(results, targets or TARGETS)
    click.echo(tables(found, ours))
    if picture is not None:
        write_whole({picture: pictures_of(lambda: figure(found), ("png",))[0]})
        click.echo(f"wrote {shown(picture)}", err=True)
    config = {"results": {path.name: file_digest(path) for path in results}, "targets": found.targets, "ours": ours}
    _write(json_path, rows(found), config)


def _common(function: Callable) -> Callable:
    for option in (
        click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file."),
        click.option("--quick", is_flag=True, help="The same figures on less data, in under a minute."),
        click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of items and noise."),
        data_set_option,
    ):
        function = option(function)
    return function


_scheme_option = click.option(
    "--scheme", "schemes", multiple=True, metavar="NAME[:PARAMETER=VALUE]...",
    help="Of the catalogue, such as label_ldpc:teacher=student or ours:k=4, in place of the usual ones; repeatable.",
)  # fmt: skip


@evidence.command("tasks")
@_scheme_option
@click.option("--snr-db", default=10.0, show_default=True, type=click.FloatRange(-100, 100), help="Of noise alone.")
@_common
def tasks(
    schemes: tuple[str, ...], snr_db: float, data_set: str, seed: int, quick: bool, json_path: Path | None
) -> None:
    """Other tasks from the same transmission, chosen afterwards: heads fitted on what the receiver holds."""
    from sdr_sc.evidence.tasks import bench_tasks, table

    _check(json_path)
    rows = bench_tasks(quick, seed, _log, _entries(schemes), data_set, snr_db)
    click.echo(table(rows))
    config = {"schemes": schemes, "snr_db": snr_db, "data_set": data_set, "seed": seed, "quick": quick}
    _write(json_path, rows, config)


@evidence.command("soft")
@_scheme_option
@_common
def soft(schemes: tuple[str, ...], data_set: str, seed: int, quick: bool, json_path: Path | None) -> None:
    """Soft answers: likelihood, calibration, and accuracy where the receiver is sure."""
    from sdr_sc.evidence.soft import bench_soft
    from sdr_sc.evidence.tables import pivot

    _check(json_path)
    rows = bench_soft(quick, seed, _log, _entries(schemes), data_set)
    click.echo(pivot(rows, "channel, SNR, scheme", 2))
    _write(json_path, rows, {"schemes": schemes, "data_set": data_set, "seed": seed, "quick": quick})


def _energy_options(function: Callable) -> Callable:
    for name, words in reversed(_ENERGY.items()):
        flag, default = f"--{name.replace('_', '-')}", getattr(EnergyModel, name)
        function = click.option(flag, default=default, show_default=True, type=float, help=words)(function)
    return function


@evidence.command("cost")
@model_option
@_scheme_option
@_energy_options
@_common
def cost(
    model: str, schemes: tuple[str, ...], data_set: str, seed: int, quick: bool, json_path: Path | None, **energy: float
) -> None:
    """Operations, memory, processor time and estimated energy of an item at both ends, beside the energy of the air.

    Energies are a model's (sdr_sc/evidence/energy.py has its sources), not measured.
    """
    from sdr_sc.evidence.cost import bench_cost, modem_rows, network_rows, tables

    _check(json_path)
    of_energy = EnergyModel(**energy)
    network = network_rows(model, of_energy)
    schemes_rows = bench_cost(quick, seed, _log, of_energy, _entries(schemes), data_set)
    rows = [*network, *schemes_rows, *modem_rows(quick, seed)]
    click.echo("\n\n".join(tables(rows)))
    config = {"model": model, "schemes": schemes, "data_set": data_set, "seed": seed, "quick": quick, "energy": energy}
    _write(json_path, rows, config)


@evidence.command("int8")
@model_option
@_common
def int8(model: str, data_set: str, seed: int, quick: bool, json_path: Path | None) -> None:
    """The student in 8 bits beside 32: accuracy over SNR and k, size of the networks, processor time."""
    from sdr_sc.evidence.int8 import bench_int8
    from sdr_sc.evidence.tables import pivot

    _check(json_path)
    rows = bench_int8(model, quick, seed, _log, data_set)
    click.echo(pivot(rows, "what", 2, intervals=True))
    _write(json_path, rows, {"model": model, "data_set": data_set, "seed": seed, "quick": quick})


@evidence.command("peaks")
@model_option
@_common
def peaks(model: str, data_set: str, seed: int, quick: bool, json_path: Path | None) -> None:
    """Peak over mean power of OFDM symbols that carry features, beside those that carry QAM."""
    from sdr_sc.evidence.peaks import bench_peaks
    from sdr_sc.evidence.tables import pivot

    _check(json_path)
    rows = bench_peaks(model, quick, seed, _log, data_set)
    click.echo(pivot(rows, "payload", 2, intervals=True))
    _write(json_path, rows, {"model": model, "data_set": data_set, "seed": seed, "quick": quick})


def _entries(schemes: Sequence[str]) -> tuple[SchemeEntry, ...] | None:
    """The schemes that were named; None for the usual ones."""
    from sdr_sc.evidence.entries import entry_named

    return tuple(entry_named(text) for text in schemes) if schemes else None


def _log(what: str) -> None:
    click.echo(f"measuring: {what} ...", err=True)


def _check(json_path: Path | None) -> None:
    if json_path is not None:
        from sdr_sc.results.rows import check_writable

        check_writable(json_path)


def _write(json_path: Path | None, rows: list[Row], config: dict[str, Any]) -> None:
    if json_path is not None:
        from sdr_sc.results.rows import write_json

        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        click.echo(f"wrote {json_path}")


evidence.add_command(multitask)
evidence.add_command(transfer)
evidence.add_command(multitask_cost)
evidence.add_command(knowledge)
evidence.add_command(both_ends)
