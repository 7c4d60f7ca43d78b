# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time of receiver, transmitter and link, of this checkout against another one, in turn in one run.

    .venv/bin/python benchmarks/compare_speed.py OTHER_CHECKOUT --json benchmarks/speed.json

Both checkouts measure the same work in processes that live through the run; each round has both orders. Processor time
is little affected by other programs, and the ratio of a round by none that lasts.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WORK = ("receiver", "transmitter", "link")
FRAMES, ITEMS, K = 400, 50, 8
LINK_IMAGES = 2000
SNR_DB = 10.0


def _found(name: str, *modules: str) -> Any:
    """A name from the first of these modules that there is: checkouts differ in where it lies."""
    for module in modules:
        try:
            return getattr(importlib.import_module(f"sdr_sc.{module}"), name)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"{name} is in none of {', '.join(modules)}; give a checkout that has it.")


def workloads() -> dict[str, Any]:
    """What is timed, by name; with the checkout whose package is imported."""
    from sdr_sc.phy.numerology import Numerology

    run_loopback = _found("run_loopback", "flowgraph.loopback", "experiments.loopback")
    FrameBuilder = _found("FrameBuilder", "phy.frame.framing", "phy.framing")
    Header = _found("Header", "phy.frame.header", "phy.header")
    Receiver = _found("Receiver", "phy.receive.receiver", "phy.receiver")

    numerology, rng = Numerology(), np.random.default_rng(1)
    builder = FrameBuilder(numerology)
    parts = rng.standard_normal((FRAMES, ITEMS, K, 2)).astype(np.float32)
    features = (parts / np.sqrt(2)).view(np.complex64)[..., 0]

    def send() -> np.ndarray:
        frames = [
            builder.build(features[i], Header(model_id=1, k=K, n_items=ITEMS, frame_num=i), 1.0, 160)
            for i in range(FRAMES)
        ]
        return np.concatenate(frames)

    air = send()
    noise_power = numerology.mean_sample_power / 10 ** (SNR_DB / 10)
    noise = rng.standard_normal((len(air), 2)).astype(np.float32).view(np.complex64)[:, 0]
    air = air + np.float32(np.sqrt(noise_power / 2)) * noise

    def receive() -> None:
        receiver = Receiver(numerology)
        found = sum(len(receiver.push(air[i : i + 131_072])) for i in range(0, len(air), 131_072))
        found += len(receiver.push(np.zeros(20_000, np.complex64)))
        if found < 0.99 * FRAMES:
            raise SystemExit(f"{found} of {FRAMES} frames were received; this is no measurement of speed.")

    def link() -> None:
        done = run_loopback(300.0, images=LINK_IMAGES, snr_db=SNR_DB, items_per_frame=ITEMS)
        if done.items_answered != LINK_IMAGES:
            raise SystemExit(f"{done.items_answered} of {LINK_IMAGES} images were answered.")

    return {"receiver": receive, "transmitter": send, "link": link}


def serve() -> None:
    """Run in each checkout: a line with a name in, a line with its processor time in s out."""
    work = workloads()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the work prints, GNU Radio's loggers included, is no answer
    for line in sys.stdin:
        before = time.process_time()
        work[line.strip()]()
        print(json.dumps(time.process_time() - before), file=answers, flush=True)


class Checkout:
    """A process that measures with the package of one checkout."""

    def __init__(self, folder: Path) -> None:
        python = folder / ".venv" / "bin" / "python"
        if not python.is_file():
            raise click.ClickException(f"{python} is missing; run 'make setup' in {folder}.")
        code = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2])['serve']()"
        self.folder = folder
        self.process = subprocess.Popen(
            [str(python), "-c", code, str(folder), __file__],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log = [*self.log[-20:], line]

    def seconds(self, work: str) -> float:
        """Processor time of one piece of work."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(work + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise click.ClickException(f"{self.folder}: {self.log[-1].strip() if self.log else 'it ended'}")
        return float(answer)


@click.command()
@click.argument("other", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", default=20, show_default=True, help="of both checkouts in both orders")
@click.option("--json", "target", type=click.Path(path_type=Path), help="file for the rows")
def main(other: Path, rounds: int, target: Path | None) -> None:
    """Compare this checkout's speed with OTHER's."""
    from sdr_sc.results.rows import Row, print_rows, write_json

    ours, theirs = Checkout(ROOT), Checkout(other.resolve())
    ratios: dict[str, list[float]] = {work: [] for work in WORK}
    for number in range(-1, rounds):  # the first round loads and compiles
        for work in WORK:
            first = ours.seconds(work), theirs.seconds(work)
            second = theirs.seconds(work), ours.seconds(work)
            if number >= 0:
                ratios[work].append((first[0] + second[1]) / (first[1] + second[0]))
        click.echo(f"round {number + 1} of {rounds}", err=True)
    rows = []
    for work, values in ratios.items():
        draws = np.random.default_rng(1).choice(values, (2000, len(values))).mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        name = f"{work}, processor time over that of the other checkout"
        rows.append(Row.at_most(name, float(np.mean(values)), "", 1.03, len(values), (float(low), float(high))))
    print_rows(rows)
    if target is not None:
        revision = subprocess.run(["git", "-C", str(other), "rev-parse", "HEAD"], capture_output=True, text=True)
        command = f"python benchmarks/compare_speed.py OTHER --rounds {rounds}"
        write_json(target, command, rows, {"other_git": revision.stdout.strip()})


if __name__ == "__main__":
    main()
