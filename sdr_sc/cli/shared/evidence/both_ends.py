# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench evidence both-ends``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdr_sc.cli.shared.options import DATA_SET, MODEL, number_list


@click.command("both-ends")
@click.argument("model", type=MODEL, default="multitask_student")
@click.option(
    "--data-set",
    type=DATA_SET,
    default="wordnet+noto_emoji+easy_vqa,only=noto_emoji",
    show_default=True,
    help="The model's own data, of things with several pictures or of texts, see 'sdr-sc data list'.",
)
@click.option("--sizes", default="100,1000,10000", show_default=True, callback=number_list, help="Entries of the base.")
@click.option("--snr-db", default="0,5,10,20", show_default=True, callback=number_list, help="Es/N0, with commas.")
@click.option(
    "--k", "k_list", default="2,4,6,8,12,16,24,32", show_default=True, callback=number_list, help="Of features alone."
)
@click.option(
    "--sends", default=800, type=click.IntRange(1), show_default=True, help="Items sent at each point, about."
)
@click.option("--channel", default="", help="Models before the noise, such as 'tdl_c(delay_spread_ns=300)'.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Of items, base and noise.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
def both_ends(
    model: str, data_set: str, sizes: tuple[float, ...], snr_db: tuple[float, ...], k_list: tuple[float, ...],
    sends: int, channel: str, seed: int, json_path: Path | None,
) -> None:  # fmt: skip
    """Channel uses where both ends hold a base, beside features alone of the same quality.

    Items that the base has, other views of the same things, new ones, and a half of each are sent by the nearest entry
    and a residual, or as ever, whatever is expected to take the fewest channel uses; indices are sent over the air and
    counted. Status 1 if a goal is missed.
    """
    from sdr_sc.evidence.knowledge.both_ends.measure import bench_both_ends
    from sdr_sc.evidence.multitask.other_data import of_model
    from sdr_sc.evidence.multitask.rows import Setting
    from sdr_sc.evidence.tables import pivot
    from sdr_sc.results.rows import check_writable, write_json
    from sdr_sc.semantic import weights
    from sdr_sc.semantic.gallery import Gallery

    if json_path is not None:
        check_writable(json_path)
    contract = weights.read_contract(model)
    train, test = (of_model(contract, data_set, part) for part in ("train", "test"))
    gallery = Gallery.load(weights.resolve(model).with_suffix(".gallery"))
    symbols = [contract.check_k(int(k)) for k in k_list]
    setting = Setting(model, train, test, gallery, snr_db, symbols, seed, channel)
    rows = bench_both_ends(
        setting, [int(size) for size in sizes], sends, lambda what: click.echo(f"measuring: {what}", err=True)
    )
    click.echo(pivot(rows, "what"))
    click.echo(f"{sum(row.ok is True for row in rows)} of {sum(row.goal is not None for row in rows)} goals met")
    if json_path is not None:
        config = {
            "model": Path(model).name,
            "data_set": data_set,
            "sizes": [int(size) for size in sizes],
            "snr_db": snr_db,
            "k": symbols,
            "sends": sends,
            "channel": channel,
            "seed": seed,
        }
        write_json(json_path, ["sdr-sc", *sys.argv[1:]], rows, {"config": config})
        click.echo(f"wrote {json_path}")
    if any(row.ok is False for row in rows):
        raise SystemExit(1)
