# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc calibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.cli.shared.options import MODEL, data_set_option
from sdr_sc.semantic.weights import DEFAULT_MODEL


def _k_list(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(k) for k in value.split(",")) if value else ()
    except ValueError:
        raise click.BadParameter("give whole numbers with commas between, for example 2,4,8") from None


@click.command()
@click.argument("model", type=MODEL, default=DEFAULT_MODEL)
@data_set_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Weights file to write, NAME.safetensors.")
@click.option(
    "--k-list", default="", callback=_k_list, help="Feature symbols per item, up to the model's largest  [the model's]"
)
@click.option(
    "--symbol-price",
    default=0.3,
    show_default=True,
    type=click.FloatRange(0.0, 100.0),
    help="Accuracy, in points, that one more symbol has to be worth in refinement.",
)
@click.option(
    "--keep-table", is_flag=True, help="Leave the accuracies, and the k that follow, as they are: only the rest is new."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of the noise.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1), help="CPU threads for the networks.")
def command(
    model: str,
    data_set: str,
    out: Path,
    k_list: tuple[int, ...],
    symbol_price: float,
    keep_table: bool,
    seed: int,
    threads: int,
) -> None:
    """Measure the student MODEL on the training items that its training held out, and write it with what was found.

    That is: the accuracy at each SNR and k with the k that follows, also for k that it was not trained for; what makes
    its confidence true; and the rounds of incremental refinement. The weights stay as they are.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from sdr_sc.data.catalogue import load_dataset
    from sdr_sc.distill.measured.calibrate import calibrate
    from sdr_sc.distill.measured.held_out import snr_grid
    from sdr_sc.results.rows import check_writable
    from sdr_sc.semantic import weights
    from sdr_sc.shown import shown, terminal

    check_writable(out)
    contract = weights.read_contract(model)
    data = load_dataset(data_set, "train")
    console = terminal()
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console) as progress:
        steps = 2 * len(snr_grid(contract.training_snr_db, 2))
        task = progress.add_task("measuring held-out items", total=steps)
        written = calibrate(
            model, data, out, k_list, seed, threads, symbol_price / 100.0, lambda: progress.advance(task), keep_table
        )
    console.print(f"wrote {shown(str(out))}: model {written.model_id}, k in {', '.join(map(str, written.k_list))}")
