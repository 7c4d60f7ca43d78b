# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays: a recording through the receiver blocks of a live run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.capture import Capture, Finding, open_capture
from sdr_sc.data.asked import OWN_QUESTION
from sdr_sc.errors import CaptureError, FlowgraphError
from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.flowgraph.generated import build, load_module, top_block_class
from sdr_sc.flowgraph.harness import raise_first_failure, watch_flowgraph
from sdr_sc.flowgraph.loopback import FLOWGRAPHS
from sdr_sc.flowgraph.received_nothing import Hint
from sdr_sc.flowgraph.record_live import GALLERY_NAMES
from sdr_sc.flowgraph.replay_config import ReplayConfig, ReplayResult
from sdr_sc.flowgraph.replay_hint import replay_hint
from sdr_sc.link.refinement.triggers import TRIGGERS
from sdr_sc.phy.numerology import Numerology
from sdr_sc.places import scratch_folder
from sdr_sc.semantic import weights
from sdr_sc.semantic.asked_tasks import AskedTasks, answers_questions
from sdr_sc.shown import shown

REPLAY = FLOWGRAPHS / "replay.grc"
OPEN_FRAMES = 2000  # as in replay.grc


def replay(
    config: ReplayConfig,
    folders: Sequence[Path | None] = (None,),
    deadline_s: float | None = None,
) -> list[ReplayResult]:
    """Send a recording through ``flowgraphs/replay.grc``; a result for each model.

    Args:
        config: what and how.
        folders: for the results of each model; None writes nothing.
        deadline_s: after which it is stopped with an error.

    Raises:
        SdrScError: the recording, a model or a parameter cannot be used; in one sentence.
    """
    with opened(config) as capture:
        truth, problems = tells_truth(capture), capture.problems
        trigger, reject_below = recorded_trigger(capture), rejected_below(capture)
        recorded, made_with = recorded_question(capture), dict(capture.info.config)
    if config.question == OWN_QUESTION != recorded:
        raise CaptureError(
            f"the items of the recording {shown(config.file)} were not asked each a question of its own; give one "
            "question."
        )
    if recorded and config.question not in ("", recorded):  # what is right was noted for the other one
        truth = False
    refines: list[str] = []
    questions: list[str] = []
    for model in config.models:
        # A mistake is reported before anything is compiled.
        contract = weights.read_contract(model, "decoder")
        questions.append(config.question or (recorded if answers_questions(contract, config.tasks) else ""))
        file = weights.resolve(model, "decoder")
        asked = AskedTasks.of(contract, config.tasks, config.gallery, file, questions[-1])
        has_rounds = contract.refinement is not None and not asked.names
        refines.append(trigger if has_rounds else TRIGGERS[0])
        if searches_others(asked, made_with):  # what is right was noted by the numbers of other entries
            truth = False
    with failures.watching():
        module, cls = _flowgraph()
        parameters = {
            "file": str(config.file),
            "model": config.models[0],
            "folder": "" if folders[0] is None else str(folders[0]),
            "without_truth": int(not truth),
            "refine": refines[0],
            "reject_below": reject_below,
            "question": questions[0],
            **{
                name: getattr(config, name)
                for name in (
                    *("pace", "start_sample", "stop_sample", "chunk", "noise_power", "cfo_hz", "channel_models"),
                    *("decimation", "seed", "datatype", "rate_hz", "tune_hz", "cfo_range_subcarriers", "swap_iq"),
                    *("tasks", "gallery"),
                )
            },
        }
        tb = build(cls, parameters)
        module.snippets_main_after_init(tb)
        more = _more_ends(tb, config, refines[1:], questions[1:], reject_below, folders[1:], truth)
        ends = [(tb.decoder, tb.results), *more]
        tb.source.follow(tb.receiver, *ends, between=(tb.worse,))
        for decoder, _ in ends:
            decoder.load()
        tb.receiver.load()

        faults: list[str] = []
        watch_flowgraph(tb, deadline_s, faults=faults)
        hint = None
        if not tb.receiver.receiver.counters.delivered:
            with opened(config) as capture:
                hint = replay_hint(tb, config, capture)
        results = []
        for model, folder, (decoder, sink) in zip(config.models, folders, ends, strict=True):
            sink.stop()
            raise_first_failure(tb)
            results.append(
                ReplayResult(
                    model,
                    folder,
                    _status(tb, decoder, sink, hint),
                    tb.source.samples_sent,
                    tb.source.seconds,
                    truth,
                    decoder.asked[decoder.contract.wire_id],
                    _warnings(decoder, tb, problems, hint, made_with, recorded if config.question else ""),
                    tuple(faults),
                )
            )
    return results


@lru_cache(maxsize=1)
def _flowgraph() -> tuple[Any, Any]:
    """Module and class of ``replay.grc``: compiling it takes longer than many a replay."""
    if not REPLAY.is_file():
        raise FlowgraphError(f"flowgraph {REPLAY} is missing; run from a clone of the repository with its flowgraphs.")
    with scratch_folder() as scratch:
        generated = compile_flowgraph(REPLAY, Path(scratch))
        module = load_module(generated)
        return module, top_block_class(module, generated)


def opened(config: ReplayConfig) -> Capture:
    """The recording of a configuration.

    Raises:
        CaptureError: it cannot be read.
    """
    return open_capture(config.file, datatype=config.datatype or None, sample_rate_hz=config.rate_hz or None)


def tells_truth(capture: Capture) -> bool:
    """Whether a recording says what was sent."""
    return bool(capture.not_received) or any(note.frame_index is not None for note in capture.frames())


def recorded_trigger(capture: Capture) -> str:
    """What decided on refinement at the receiver of a recording, one of `TRIGGERS`."""
    if all(note.rounds is None for note in capture.frames()):
        return TRIGGERS[0]
    return "compare" if capture.info.config.get("refine") == "compare" else "confidence"


def recorded_question(capture: Capture) -> str:
    """What the items of a recording were asked while it was made; '' for nothing."""
    value = capture.info.config.get("question", "")
    return value if isinstance(value, str) else ""


def searches_others(asked: AskedTasks, made_with: Mapping[str, Any]) -> bool:
    """Whether the gallery that is searched has other entries than the one that a recording was made with, as far as
    that says so."""
    recorded = made_with.get(GALLERY_NAMES)
    return asked.gallery is not None and isinstance(recorded, str) and recorded != asked.gallery.names_sha256


def rejected_below(capture: Capture) -> float:
    """The confidence below which the receiver of a recording did not answer, 0 to 1; 0 where it answered everything.

    Raises:
        CaptureError: what the recording says of it is no such confidence.
    """
    value = capture.info.config.get("reject_below", 0.0)
    if type(value) not in (int, float) or not 0.0 <= value <= 1.0:
        raise CaptureError(
            f"the recording says that its receiver rejected below a confidence of {shown(repr(value))}, which is none; "
            "correct 'reject_below' in 'sdr_sc:config' of its metadata: 0 to 1."
        )
    return float(value)


def _more_ends(
    tb: Any,
    config: ReplayConfig,
    refines: Sequence[str],
    questions: Sequence[str],
    reject_below: float,
    folders: Sequence[Path | None],
    truth: bool,
) -> list[tuple[Any, Any]]:
    """Further decoders and sinks on the same receiver."""
    from sdr_sc.blocks.semantic_decoder import semantic_decoder
    from sdr_sc.blocks.task_sink import task_sink

    ends = []
    each = zip(config.models[1:], refines, questions, folders, strict=True)
    for number, (model, refine, question, folder) in enumerate(each, start=2):
        decoder = semantic_decoder(model, refine, reject_below, config.tasks, config.gallery, question)
        sink = task_sink("" if folder is None else str(folder), open_frames=OPEN_FRAMES, without_truth=not truth)
        setattr(tb, f"decoder_{number}", decoder)
        setattr(tb, f"results_{number}", sink)
        tb.msg_connect((tb.receiver, "frames"), (decoder, "frames"))
        tb.msg_connect((decoder, "answers"), (sink, "answers"))
        tb.msg_connect((tb.source, "told"), (sink, "sent"))
        if decoder.models.asks_own:
            tb.msg_connect((tb.source, "told"), (decoder, "sent"))
        ends.append((decoder, sink))
    return ends


def _status(tb: Any, decoder: Any, sink: Any, hint: Hint | None) -> dict[str, Any]:
    """Counters as `sdr_sc.flowgraph.usrp.receiver_status` gives them, as far as there are any."""
    record, receiver = sink.record, tb.receiver
    return {
        **record.counts(),
        "frames_refused": decoder.frames_refused,
        "frames_behind": decoder.frames_behind,
        "news_refused": sink.refused.count,
        "gaps": receiver.gaps,
        "samples_missing": receiver.samples_missing,
        "faults": {},
        "level": receiver.level.to_dict(),
        "receiver": receiver.receiver.counters.to_dict(),
        "refinement": decoder.refinement_counts,
        **({} if hint is None else {"nothing_received": hint.to_dict()}),
    }


def _warnings(
    decoder: Any, tb: Any, problems: Sequence[Finding], hint: Hint | None, made_with: Mapping[str, Any], recorded: str
) -> tuple[str, ...]:
    """Sentences on what a user should know.

    Args:
        made_with: configuration of the recording.
        recorded: its question, where another was given.
    """
    found = []
    if recorded and decoder.question != recorded:
        found.append(
            f"the recording was made with the question {shown(repr(recorded), 80)}: of answers to another one nobody "
            "knows what is right."
        )
    if searches_others(decoder.asked[decoder.contract.wire_id], made_with):
        found.append(
            "the gallery that is searched has other entries than that of the recording, so nobody knows what is right; "
            "leave --gallery out, or give the recording's."
        )
    delivered = tb.receiver.receiver.counters.delivered
    others = decoder.frames_refused - decoder.frames_behind
    if others:
        wire = decoder.contract.wire_id
        found.append(
            f"{others} of {delivered} frames were made for another model than {decoder.model} "
            f"({wire:04x}) and were not answered{_other_model(decoder.model, made_with)}."
        )
    if hint is not None:
        rate_hz = tb.receiver.numerology.sample_rate_hz
        found.append(
            f"no frame was found at {rate_hz:.10g} samples/s: {hint.text}"
            if hint.text
            else _nothing_found(tb.receiver.numerology)
        )
    found += [f"{finding.where}: {finding.text}" for finding in problems]
    return tuple(found)


def _other_model(model: str, made_with: Mapping[str, Any]) -> str:
    recorded = made_with.get("model")
    if not isinstance(recorded, str) or recorded == model:
        return ""
    return f"; the recording was made with {shown(recorded, 80)}: give that by --model"


def _nothing_found(numerology: Numerology) -> str:
    rate_hz = numerology.sample_rate_hz
    occupied_hz = rate_hz * numerology.used / numerology.fft_size
    return (
        f"no frame was found at {rate_hz:.10g} samples/s, which has to be the rate that the signal was sent at: it "
        f"then occupies {occupied_hz:.10g} Hz. A recording at a whole multiple of the signal's rate needs --decimate, "
        "one at another rate has to be resampled before; a signal off the centre needs --tune-hz. 'sdr-sc capture "
        "info' says what is recorded."
    )
