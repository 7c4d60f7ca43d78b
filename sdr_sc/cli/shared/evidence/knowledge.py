# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence knowledge``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdr_sc.cli.shared.options import DATA_SET, MODEL, check_points, number_list

_PARTS = ("things", "folders", "hostile", "repeated", "tail", "mistakes")


@click.command("knowledge")
@click.argument("model", type=MODEL, default="multitask_student")
@click.option(
    "--data-set",
    type=DATA_SET,
    default="wordnet+noto_emoji,only=noto_emoji",
    show_default=True,
    help="The model's own data, see 'sdr-sc data list'.",
)
@click.option(
    "--new",
    "new_set",
    type=DATA_SET,
    default="tux_paint",
    show_default=True,
    help="Whose classes are added to the base.",
)
@click.option(
    "--calibrate-on",
    "calibration_set",
    type=DATA_SET,
    default="openclipart",
    show_default=True,
    help="Whose classes the fusion is fitted with.",
)
@click.option("--part", "parts", multiple=True, type=click.Choice(_PARTS), help="These alone; may be repeated.  [all]")
@click.option("--snr-db", default="-5,0,5,10,20", show_default=True, callback=number_list, help="Es/N0, with commas.")
@click.option("--k", "k_list", default="4,16,32", show_default=True, callback=number_list, help="Feature symbols.")
@click.option("--channel", default="", help="Models before the noise, such as 'tdl_c(delay_spread_ns=300)'.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Of items, noise and fits.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def knowledge(
    model: str, data_set: str, new_set: str, calibration_set: str, parts: tuple[str, ...], snr_db: tuple[float, ...],
    k_list: tuple[float, ...], channel: str, seed: int, json_path: Path | None,
) -> None:  # fmt: skip
    """What a knowledge base adds to MODEL's answers, and what it can do harm, over the air.

    Things and folders of a data set that the model never saw are added to the base with 1 to 20 entries each; items are
    repeated to a receiver with a local base; rare classes; hostile entries and near copies; a receiver that keeps its
    own mistakes; controls, among them a decoder that is larger by the base's bytes.
    Status 1 if a goal is missed.
    """
    from sdr_sc.results.rows import check_writable, write_json

    check_points(model, k_list, channel)
    if json_path is not None:
        check_writable(json_path)
    chosen = parts or _PARTS
    if "hostile" in chosen and "things" not in chosen:
        raise click.UsageError("--part hostile attacks the base of --part things; give both.")

    from sdr_sc.evidence.knowledge.measure import Setting, bench_knowledge
    from sdr_sc.evidence.tables import pivot

    symbols = [int(k) for k in k_list]
    setting = Setting(model, data_set, calibration_set, new_set, chosen, snr_db, symbols, seed, channel)
    rows = bench_knowledge(setting, lambda what: click.echo(f"measuring: {what}", err=True))
    click.echo(pivot(rows, "what"))
    missed = [row.name for row in rows if row.ok is False]
    click.echo(f"{sum(row.ok is True for row in rows)} of {sum(row.goal is not None for row in rows)} goals met")
    if json_path is not None:
        config = {
            "model": Path(model).name,
            "data_set": data_set,
            "new": new_set,
            "calibrate_on": calibration_set,
            "parts": chosen,
            "snr_db": snr_db,
            "k": symbols,
            "channel": channel,
            "seed": seed,
        }
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        click.echo(f"wrote {json_path}")
    if missed:
        raise SystemExit(1)
