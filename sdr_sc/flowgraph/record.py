# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of the simulated link, of a USRP, and of samples that come over ZMQ."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.capture import open_capture
from sdr_sc.capture.locate import pair_paths
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import CaptureError
from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.flowgraph.fitting_model import check_entries, contract_for_images
from sdr_sc.flowgraph.generated import load_module, top_block_class
from sdr_sc.flowgraph.harness import raise_first_failure, watch_flowgraph
from sdr_sc.flowgraph.loopback import FLOWGRAPHS, Accounting, run_loopback
from sdr_sc.flowgraph.record_live import gallery_note, hardware_of
from sdr_sc.places import scratch_folder
from sdr_sc.results.provenance import git_commit
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks
from sdr_sc.semantic.model_items import spec_for

RECORD_LOOPBACK = FLOWGRAPHS / "record_loopback.grc"
RECORD_USRP = FLOWGRAPHS / "record_usrp.grc"
SIMULATED_SCALE = 0.125
"""Factor for integer formats: the simulated link's samples reach 4 and more, and a power of two loses no bit."""


@dataclass(frozen=True)
class Recorded:
    """What a recording holds, as its recorder counted.

    Attributes:
        samples, clipped: written, and of these beyond the range of the format.
        frames: annotated.
        gaps, samples_missing: by the tags of the stream.
    """

    path: Path
    samples: int
    frames: int
    gaps: int
    samples_missing: int
    clipped: int

    @classmethod
    def of(cls, recorder: Any, file: str | Path) -> Recorded:
        """From a recorder that has stopped."""
        return cls(
            pair_paths(Path(file))[0],
            recorder.samples_written,
            recorder.frames_noted,
            recorder.gaps,
            recorder.samples_missing,
            recorder.samples_clipped,
        )


def check_target(file: str | Path, force: bool) -> None:
    """Report, before anything is started, that a recording would overwrite another.

    Raises:
        CaptureError: it would, and is not asked to.
    """
    for path in pair_paths(Path(file))[:2]:
        if path.exists() and not force:
            raise CaptureError(f"{path} exists already; give another name, or --force to overwrite it.")


def record_loopback(
    file: str | Path,
    deadline_s: float,
    datatype: str = "cf32_le",
    description: str = "",
    force: bool = False,
    on_poll: Callable[[Any], None] = lambda tb: None,
    **parameters: Any,
) -> tuple[Recorded, Accounting]:
    """Run the simulated link and record what its receiver gets.

    Args:
        file: path of the pair.
        deadline_s: after which the run is stopped with an error.
        datatype: ``cf32_le``, bit for bit; or ``ci16_le``, with a factor of `SIMULATED_SCALE`.
        parameters: of ``flowgraphs/record_loopback.grc``, by name. What is sent depends on the feedback: on a loaded
            machine the same comes out again only where ``feedback_timeout_s`` is longer than any delay there.

    Raises:
        SdrScError: as `run_loopback`; or the recording cannot be written.
    """
    check_target(file, force)
    model, data_set = parameters.get("model", weights.DEFAULT_MODEL), parameters.get("data_set", DEFAULT_DATA_SET)
    parameters["data_set"] = data_set = spec_for(model, data_set)
    contract = contract_for_images(model, data_set)
    tasks, gallery, question = (str(parameters.get(name, "")) for name in ("tasks", "gallery", "question"))
    asked = AskedTasks.of(contract, tasks, gallery, weights.resolve(model, "decoder"), question)
    check_entries(asked, data_set)
    seen: dict[str, Any] = {}

    def prepare(tb: Any) -> None:
        seen["tb"] = tb
        settings = {name: value for name, value in parameters.items() if name != "folder"} | gallery_note(asked)
        tb.recorder.set_origin({"flowgraph": RECORD_LOOPBACK.name, **settings}, git_commit())

    accounting = run_loopback(
        deadline_s,
        on_poll,
        RECORD_LOOPBACK,
        prepare,
        file=str(file),
        datatype=datatype,
        scale=1.0 if datatype.startswith("cf") else SIMULATED_SCALE,
        description=description,
        force=int(force),
        **parameters,
    )
    return Recorded.of(seen["tb"].recorder, file), accounting


def record_usrp(
    file: str | Path,
    seconds: float | None,
    parameters: dict[str, Any],
    on_poll: Callable[[Any], None] = lambda tb: None,
) -> tuple[Recorded, dict[str, int]]:
    """Record a USRP's samples as they are; returns what was recorded, and the device's faults.

    Args:
        file: path of the pair.
        seconds: of samples; None goes on until a KeyboardInterrupt, which ends the recording in good order.
        parameters: of ``flowgraphs/record_usrp.grc``, by name, without ``file``.

    Raises:
        SdrScError: the device or the recording cannot be used.
    """
    from sdr_sc.flowgraph.usrp import built_for_usrp, prepare_uhd

    check_target(file, bool(parameters.get("force")))
    prepare_uhd(parameters["device_args"])
    with scratch_folder() as folder, failures.watching():
        generated = compile_flowgraph(RECORD_USRP, Path(folder))
        module = load_module(generated)
        tb = built_for_usrp(top_block_class(module, generated), {**parameters, "file": str(file)})
        module.snippets_main_after_init(tb)
        settings = {name: value for name, value in parameters.items() if name not in ("description", "force")}
        hardware = hardware_of(tb.usrp_source, parameters["device_args"])
        tb.recorder.set_origin({"flowgraph": RECORD_USRP.name, **settings}, git_commit(), hardware)
        _run_until(tb, seconds, parameters["sample_rate_hz"], on_poll)
        return Recorded.of(tb.recorder, file), tb.rx_monitor.faults


def record_zmq(
    file: str | Path,
    address: str,
    sample_rate_hz: float,
    seconds: float | None,
    freq_hz: float = 0.0,
    datatype: str = "cf32_le",
    description: str = "",
    force: bool = False,
    idle_s: float = 0.0,
    on_poll: Callable[[Any], None] = lambda tb: None,
) -> tuple[Recorded, dict[str, int]]:
    """Record complex64 samples that a ZMQ PUSH sink of GNU Radio sends, with its tags.

    Returns what was recorded, and the messages that were left out, since they were no samples, by kind.

    Args:
        file: path of the pair.
        address: of the sink, such as ``tcp://127.0.0.1:52004``.
        sample_rate_hz, freq_hz: of the samples, which do not hold them; 0 as frequency: none.
        seconds: of samples; None goes on until a KeyboardInterrupt, which ends the recording in good order.
        idle_s: end so long after the last sample; 0 does not.

    Raises:
        SdrScError: the address or the recording cannot be used.
    """
    from gnuradio import gr

    from sdr_sc.blocks.sigmf_recorder import sigmf_recorder
    from sdr_sc.blocks.zmq_samples_source import zmq_samples_source

    check_target(file, force)
    with failures.watching():
        tb = gr.top_block("record_zmq", catch_exceptions=True)
        tb.samples = zmq_samples_source(address)
        tb.samples.start()  # an address that cannot be used is reported before there is a file
        failure = failures.first()
        if failure is not None:
            raise failure.error
        tb.recorder = sigmf_recorder(
            str(file), sample_rate_hz, freq_hz, datatype=datatype, description=description, force=force
        )
        # The counter goes on counting until the metadata is written, at the end.
        origin = {"address": address, "sample_rate_hz": sample_rate_hz, "messages_refused": tb.samples.refused}
        tb.recorder.set_origin(origin, git_commit())
        tb.connect((tb.samples, 0), (tb.recorder, 0))
        _run_until(tb, seconds, sample_rate_hz, on_poll, idle_s)
        return Recorded.of(tb.recorder, file), dict(tb.samples.refused)


def _run_until(
    tb: Any,
    seconds: float | None,
    rate_hz: float,
    on_poll: Callable[[Any], None],
    idle_s: float = 0.0,
) -> None:
    """Run a recording until it has its samples; Ctrl-C ends it in good order as well."""
    wanted = None if seconds is None else max(1, round(seconds * rate_hz))
    if wanted is not None:
        tb.recorder.sample_limit.end_at(wanted)
    seen, since = 0, time.monotonic()

    def enough() -> bool:
        nonlocal seen, since
        on_poll(tb)
        taken = tb.recorder.sample_limit.done
        if taken != seen:
            seen, since = taken, time.monotonic()
        idle = idle_s > 0 and seen > 0 and time.monotonic() - since > idle_s
        return idle or (wanted is not None and taken >= wanted)

    try:
        watch_flowgraph(tb, None, until=enough)
    except KeyboardInterrupt:
        if not tb.recorder.samples_written:
            raise
    finally:
        tb.recorder.stop()
    raise_first_failure(tb)


def described(recorded: Recorded) -> str:
    """A recording in one line.

    Raises:
        CaptureError: it cannot be read back.
    """
    capture = open_capture(recorded.path)
    seconds = recorded.samples / capture.info.sample_rate_hz
    size = recorded.path.with_suffix(".sigmf-data").stat().st_size / 1e6
    return (
        f"{recorded.samples:,} samples ({seconds:.3g} s, {size:.3g} MB, {capture.info.datatype}), "
        f"{recorded.frames} frames noted, {recorded.gaps} gaps"
    )
