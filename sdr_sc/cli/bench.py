# SPDX-License-Identifier: GPL-3.0-or-later
"""``sdr-sc bench``."""

from __future__ import annotations

from pathlib import Path

import click

from sdr_sc.cli.shared.bench_distillation import distillation
from sdr_sc.cli.shared.bench_evidence import evidence
from sdr_sc.cli.shared.bench_knowledge import answering, knowledge
from sdr_sc.cli.shared.measure import measure_and_print
from sdr_sc.cli.shared.options import data_set_option, model_option

measured_option = click.option(
    "--measured-channel",
    "measured",
    type=click.Path(exists=True, dir_okay=False),
    help="Over this measured channel, too: an .npz file, see benchmarks/headline/config.yaml.",
)


@click.group()
def command() -> None:
    """Measure what the testbed promises; each subcommand prints its rows and can write them as JSON."""


@command.command("link")
@model_option
@click.option(
    "--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of noise, offsets and the images' order."
)
@click.option("--quick", is_flag=True, help="The same rows on less data, in under a minute.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def link(model: str, seed: int, quick: bool, json_path: Path | None) -> None:
    """The closed loop: lost frames, SNR estimate, response of the CAM, start-up and demonstration time.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.link import bench_link

    measure_and_print(
        lambda log: bench_link(model, quick, seed, log), json_path, {"model": model, "seed": seed, "quick": quick}
    )


@command.command("refinement")
@model_option
@measured_option
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the noise.")
@click.option("--quick", is_flag=True, help="The same rows on less data, in under a minute.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def refinement(model: str, measured: str | None, seed: int, quick: bool, json_path: Path | None) -> None:
    """Symbols that refinement saves against the finest fixed k, and how true the confidence is.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.refinement import bench_refinement

    config = {"model": model, "measured_channel": measured, "seed": seed, "quick": quick}
    measure_and_print(
        lambda log: bench_refinement(model, measured, quick, seed, log), json_path, config, goals_first=True
    )


@command.command("phy")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of frames, channels, noise.")
@click.option("--quick", is_flag=True, help="The same rows on less data, in half a minute.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def phy(seed: int, quick: bool, json_path: Path | None) -> None:
    """Transmitter and receiver: lost and false frames, detection, payload SNR, SNR estimates, fuzz, memory.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.phy.rows import bench_phy

    measure_and_print(
        lambda log: bench_phy(quick, seed, log), json_path, {"seed": seed, "quick": quick}, goals_first=True
    )


@command.command("frame")
@click.option(
    "--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of frames, images' air, noise."
)
@click.option("--quick", is_flag=True, help="The same rows on a tenth of the data.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def frame(seed: int, quick: bool, json_path: Path | None) -> None:
    """Frame modes: headers and payload at the SNRs of each, false frames, and items with the shipped model.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.phy.frame_modes import frame_rows

    configuration = {"seed": seed, "quick": quick}
    measure_and_print(lambda log: frame_rows(quick, seed, log), json_path, configuration, goals_first=True)


@command.command("mapping")
@model_option
@data_set_option
@measured_option
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of channels and noise.")
@click.option("--quick", is_flag=True, help="A twentieth of the channel draws.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def mapping(model: str, data_set: str, measured: str | None, seed: int, quick: bool, json_path: Path | None) -> None:
    """What mapping features by importance gains over interleaving, by the age of the channel's report."""
    from sdr_sc.bench.mapping import mapping_rows
    from sdr_sc.flowgraph.fitting_model import contract_for_images
    from sdr_sc.semantic.model_items import load_items, spec_for

    data = load_items(spec_for(model, data_set), "test")
    contract_for_images(model, data)
    config = {"model": model, "data_set": data_set, "measured_channel": measured, "seed": seed, "quick": quick}
    measure_and_print(lambda log: mapping_rows(model, data, measured, quick, seed, log), json_path, config)


@command.command("snr-range")
@model_option
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the noise.")
@click.option("--quick", is_flag=True, help="Fewer items, one seed.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def snr_range(model: str, seed: int, quick: bool, json_path: Path | None) -> None:
    """Adaptation of frame mode and k against the best fixed pair, where the SNR is anywhere in a range.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.phy.snr_range import snr_range_rows

    configuration = {"model": model, "seed": seed, "quick": quick}
    measure_and_print(lambda log: snr_range_rows(model, quick, seed, log), json_path, configuration)


@command.command("air")
@model_option
@measured_option
@click.option("--frames", type=click.IntRange(2), help="Of each point  [2000; --quick: 24]")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of channels and noise.")
@click.option("--quick", is_flag=True, help="The same rows on a few frames each.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def air(model: str, measured: str | None, frames: int | None, seed: int, quick: bool, json_path: Path | None) -> None:
    """Symbols on the air an item, counted whole: frame modes and refinement against normal frames.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.air_time import air_rows

    configuration = {"model": model, "measured_channel": measured, "frames": frames, "seed": seed, "quick": quick}
    measure_and_print(
        lambda log: air_rows(model, measured, quick, seed, log, frames), json_path, configuration, goals_first=True
    )


@command.command("throughput")
@click.option(
    "--frames",
    type=click.IntRange(20),
    help="Long frames of each of our runs, and short ones of as many samples  [3000; --quick: 400]",
)
@click.option("--repeats", type=click.IntRange(1), help="Timed runs of each kind  [7; --quick: 3]")
@click.option("--lengths", is_flag=True, help="Ours alone, over the length of the frames.")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of features and noise.")
@click.option("--quick", is_flag=True, help="The same rows on less data.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def throughput(
    frames: int | None, repeats: int | None, lengths: bool, seed: int, quick: bool, json_path: Path | None
) -> None:
    """Transmitter and receiver in flowgraphs on one core, beside GNU Radio's own.

    Needs an idle machine. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.phy.throughput import frame_length_rows, throughput_rows

    if lengths and (frames or repeats):
        raise click.UsageError("--lengths has its own number of frames and repeats; leave --frames and --repeats out.")
    measure_and_print(
        lambda log: (
            frame_length_rows(quick, seed, log) if lengths else throughput_rows(quick, seed, log, frames, repeats)
        ),
        json_path,
        {"frames": frames, "repeats": repeats, "seed": seed, "quick": quick, "lengths": lengths},
    )


@command.command("profile")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of features and noise.")
@click.option("--quick", is_flag=True, help="The same rows on less data.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def profile(seed: int, quick: bool, json_path: Path | None) -> None:
    """Where a frame's time goes between input and output of the receiver's and the transmitter's block."""
    from sdr_sc.bench.phy.profile import profile_rows

    measure_and_print(lambda log: profile_rows(quick, seed, log), json_path, {"seed": seed, "quick": quick})


@command.command("usrp")
@click.option("--seconds", default=600.0, show_default=True, help="Of the long run at 1 MS/s.")
@click.option("--quick", is_flag=True, help="The same rows on runs of a few seconds each.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(("lock-step", "snr", "step", "chain", "endurance", "rate")),
    help="These rows alone; may be given several times.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def usrp(seconds: float, quick: bool, parts: tuple[str, ...], json_path: Path | None) -> None:
    """The link over the simulated USRP and the real UHD driver: endurance, latency, highest rate, CAM response, SNR.

    Real-time figures need an idle machine. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.usrp import PARTS, bench_usrp

    config = {"seconds": seconds, "quick": quick, "parts": list(parts or PARTS)}
    measure_and_print(lambda log: bench_usrp(seconds, quick, log, parts or PARTS), json_path, config, goals_first=True)


@command.command("sweep")
@click.option("--quick", is_flag=True, help="The same rows on fewer items, in under a minute.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def sweep(quick: bool, json_path: Path | None) -> None:
    """Speed of sweeps: the whole test set over 13 SNRs and 4 k on two workers, and two workers against one.

    Needs an idle machine. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.sweep import bench_sweep

    measure_and_print(lambda log: bench_sweep(quick, log), json_path, {"quick": quick}, goals_first=True)


@command.command("coding")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of bits and noise.")
@click.option("--quick", is_flag=True, help="The same rows on fewer codewords, in under a minute.")
@click.option("--ladder", is_flag=True, help="The ladder of modes against Shannon's capacity alone, in two minutes.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def coding(seed: int, quick: bool, ladder: bool, json_path: Path | None) -> None:
    """The baselines' LDPC codes with QPSK and 16-QAM against a published curve, and what the receiver costs them.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.coding import bench_coding, ladder_rows

    config = {"seed": seed, "quick": quick, "ladder": ladder}
    measure = ladder_rows if ladder else bench_coding
    measure_and_print(lambda log: measure(quick, seed, log), json_path, config)


@command.command("capture")
@click.option("--seconds", default=60.0, show_default=True, help="Of the recordings at 10 MS/s.")
@click.option("--quick", is_flag=True, help="The same rows on less data: 3 s, and a large file of 2 GB.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def capture(seconds: float, quick: bool, json_path: Path | None) -> None:
    """Recordings: replay against the live run, recording at 10 MS/s, speed, memory on 20 GB, SigMF's own validation.

    Real-time figures need an idle machine, and 6 GB in TMPDIR. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.capture import bench_capture

    measure_and_print(
        lambda log: bench_capture(seconds, quick, log),
        json_path,
        {"seconds": seconds, "quick": quick},
        goals_first=True,
    )


@command.command("faults")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of moments and damage.")
@click.option("--quick", is_flag=True, help="Each fault twice in place of 20 times.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def faults(seed: int, quick: bool, json_path: Path | None) -> None:
    """Full disk, removed folder, no more files, NaN in a model, foreign shared memory, at random moments of real runs.

    Some need root: to mount a small disk, to make another user's file. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.hardening.faults import bench_faults

    measure_and_print(
        lambda log: bench_faults(quick, seed, log), json_path, {"seed": seed, "quick": quick}, goals_first=True
    )


@command.command("hostile")
@click.option("--messages", default=0, type=click.IntRange(0), help="Foreign messages  [10,000,000; --quick: 200,000]")
@click.option("--stops", default=0, type=click.IntRange(0), help="Stops under load  [100; --quick: 4]")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the messages.")
@click.option("--quick", is_flag=True, help="The same rows on less.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def hostile(messages: int, stops: int, seed: int, quick: bool, json_path: Path | None) -> None:
    """Foreign messages to every address of a running link, and Ctrl-C and SIGTERM under that load.

    Needs an idle machine. Status 1 if a goal is missed.
    """
    from sdr_sc.bench.hardening.hostile import bench_hostile

    measure_and_print(
        lambda log: bench_hostile(quick, seed, log, messages, stops),
        json_path,
        {"messages": messages, "stops": stops, "seed": seed, "quick": quick},
        goals_first=True,
    )


@command.command("soak")
@click.option("--seconds", default=3600.0, show_default=True, type=click.FloatRange(0, min_open=True),
              help="How long the ends are disturbed.")  # fmt: skip
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of what happens when.")
@click.option("--quick", is_flag=True, help="For 60 s.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def soak(seconds: float, seed: int, quick: bool, json_path: Path | None) -> None:
    """Kills, stops, full disks and bad messages against a transmitter and a receiver, and an account of every frame.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.hardening.soak import bench_soak

    measure_and_print(
        lambda log: bench_soak(seconds, quick, seed, log),
        json_path,
        {"seconds": seconds, "seed": seed, "quick": quick},
        goals_first=True,
    )


@command.command("integrity")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of the bits.")
@click.option("--quick", is_flag=True, help="A twentieth of the tries.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def integrity(seed: int, quick: bool, json_path: Path | None) -> None:
    """One changed bit in each kind of file that figures are read from, 10,000 tries: noticed, or without effect.

    Status 1 if other figures are taken, or a reader ends without a sentence.
    """
    from sdr_sc.bench.hardening.integrity import bench_integrity

    measure_and_print(
        lambda log: bench_integrity(quick, seed, log), json_path, {"seed": seed, "quick": quick}, goals_first=True
    )


@command.command("diagnosis")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of frames, faults and noise.")
@click.option("--quick", is_flag=True, help="The same rows on a fifth of the signals.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def diagnosis(seed: int, quick: bool, json_path: Path | None) -> None:
    """How often the hint names why nothing is received: offset, inverted spectrum, rate, centre, numerology, no frames.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.phy.diagnosis import bench_diagnosis

    measure_and_print(
        lambda log: bench_diagnosis(quick, seed, log), json_path, {"seed": seed, "quick": quick}, goals_first=True
    )


@command.command("front-end")
@click.option("--seed", default=1, type=click.IntRange(0), show_default=True, help="Seed of frames, faults and noise.")
@click.option("--quick", is_flag=True, help="The same rows on 60 frames a point, and shorter timed runs.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the rows to this file.")
def front_end(seed: int, quick: bool, json_path: Path | None) -> None:
    """Faults of a radio's front end: the SNR reported against the payload's, the offset's range, and speed.

    Status 1 if a goal is missed.
    """
    from sdr_sc.bench.phy.front_end import bench_front_end

    measure_and_print(
        lambda log: bench_front_end(quick, seed, log), json_path, {"seed": seed, "quick": quick}, goals_first=True
    )


command.add_command(distillation)
command.add_command(evidence)
command.add_command(knowledge)
command.add_command(answering)
