# SPDX-License-Identifier: GPL-3.0-or-later
"""The loopback flowgraph ``flowgraphs/sim_loopback.grc`` as experiments use it: compiled, run, and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdr_sc.blocks.runtime import failures
from sdr_sc.errors import FlowgraphError
from sdr_sc.flowgraph.compile import compile_flowgraph
from sdr_sc.flowgraph.generated import build, load_module, top_block_class
from sdr_sc.flowgraph.harness import raise_first_failure, watch_flowgraph
from sdr_sc.flowgraph.received_nothing import hints_of
from sdr_sc.places import scratch_folder

FLOWGRAPHS = Path(__file__).resolve().parents[2] / "flowgraphs"
LOOPBACK = FLOWGRAPHS / "sim_loopback.grc"
MULTITASK_LOOPBACK = FLOWGRAPHS / "multitask_loopback.grc"
MULTITASK_KB = FLOWGRAPHS / "multitask_kb.grc"


@dataclass(frozen=True)
class Accounting:
    """What became of every frame, from the counters of all blocks that it passed.

    Attributes:
        frames_sent: by the encoder, with items. frames_on_air: by the transmitter. frames_through_channel: by the
            channel.
        frames_delivered: by the receiver. frames_answered: by the decoder, matched with what was sent.
        frames_lost: sent and not answered, by cause in ``lost_causes``.
        answers_unknown: answers to nothing that was sent, or second answers.
        items_not_a_number: for which the model gave no number: neither answered nor lost.
        frames_without_items: sent beside these, with refinements alone; refinements_delivered: received of them.
        items_rejected: that the receiver was not sure of: neither answered nor lost.
        items_unasked: that arrived, and that nothing was asked of: neither answered nor lost.
        items_labelled: whose label is known; only these can be right.
        faults: sentences on what makes the run an error although its results are whole.
        receiver: the receiver's counters.
        frames_behind: of the refused ones, those that the decoder left out as too many waited behind them.
        tasks: counts of each task beside the first one, if any was answered.
        knowledge: what a knowledge base added, if one was asked.
        hint: why nothing was received, where nothing was and the cause was found; else ''.
    """

    frames_sent: int
    frames_on_air: int
    frames_through_channel: int
    frames_delivered: int
    frames_refused: int
    frames_answered: int
    frames_lost: int
    answers_unknown: int
    items_sent: int
    items_answered: int
    items_correct: int
    items_lost: int
    items_not_a_number: int = 0
    items_rejected: int = 0
    frames_without_items: int = 0
    refinements_delivered: int = 0
    items_labelled: int = 0
    faults: tuple[str, ...] = ()
    receiver: dict[str, int] = field(default_factory=dict)
    hint: str = ""
    frames_behind: int = 0
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    items_unasked: int = 0
    knowledge: dict[str, Any] = field(default_factory=dict)

    def raise_if_faulty(self) -> None:
        """Raise `FlowgraphError` with the first fault, if there is any; when the results are written."""
        if self.faults:
            raise FlowgraphError(self.faults[0])

    @property
    def lost_causes(self) -> dict[str, int]:
        """Lost frames by cause. A failed header check may also come from noise that looked like a preamble."""
        failed = self.receiver.get("header_failed", 0) + self.receiver.get("header_refused", 0)
        behind = min(self.frames_lost, self.frames_behind)
        header = min(self.frames_lost - behind, failed)
        found = {"header check failed, at most": header, "not detected, at least": self.frames_lost - behind - header}
        return {**found, "decoder too far behind": behind} if behind else found

    @property
    def discrepancies(self) -> list[str]:
        """Where the blocks' counts contradict one another; empty if every frame is accounted for."""
        checks = (
            (
                self.frames_on_air == self.frames_sent + self.frames_without_items,
                "the transmitter sent other frames than the encoder made",
            ),
            (self.frames_through_channel == self.frames_on_air, "the channel saw other frames than were sent"),
            (
                self.frames_answered + self.frames_lost == self.frames_sent,
                "frames are neither answered nor lost",
            ),
            (
                self.frames_delivered
                == self.frames_answered + self.answers_unknown + self.frames_refused + self.refinements_delivered,
                "the receiver delivered frames that were not answered",
            ),
            (self.answers_unknown == 0, "there are answers to frames that were not sent"),
            (
                self.items_answered + self.items_lost + self.items_not_a_number + self.items_rejected
                == self.items_sent - self.items_unasked,
                "items are neither answered nor lost",
            ),
        )
        return [sentence for holds, sentence in checks if not holds]

    def to_dict(self) -> dict[str, Any]:
        """For ``summary.json``."""
        counts = {name: value for name, value in vars(self).items()}
        for name in ("tasks", "items_unasked", "knowledge"):
            if not counts[name]:
                del counts[name]
        return {
            **counts,
            "lost_causes": self.lost_causes,
            "accounted": not self.discrepancies,
            "discrepancies": self.discrepancies,
        }


def account(tb: Any, faults: Sequence[str] = ()) -> Accounting:
    """Read the counters of a loopback flowgraph that has ended."""
    record = tb.results.record
    counters = tb.receiver.receiver.counters
    return Accounting(
        frames_sent=tb.encoder.frames_sent - tb.encoder.sender.frames_without_items,
        frames_on_air=tb.transmitter.frames_sent,
        frames_through_channel=tb.air.frames_seen,
        frames_delivered=counters.delivered,
        frames_refused=tb.decoder.frames_refused,
        frames_answered=record.frames_answered,
        frames_lost=record.frames_lost,
        answers_unknown=record.answers_unknown,
        items_sent=tb.encoder.items_sent,
        items_answered=record.items_answered,
        items_correct=record.items_correct,
        items_lost=record.items_lost,
        items_not_a_number=record.items_not_a_number,
        items_rejected=record.items_rejected,
        items_labelled=record.items_labelled,
        frames_without_items=tb.encoder.sender.frames_without_items,
        refinements_delivered=tb.decoder.frames_without_items,
        faults=tuple(faults),
        receiver=counters.to_dict(),
        hint=" ".join(hint.text for hint in hints_of(tb)),
        frames_behind=tb.decoder.frames_behind,
        tasks=record.counts().get("tasks", {}),
        items_unasked=record.items_unasked,
        knowledge=record.bases.to_dict(),
    )


def run_loopback(
    deadline_s: float,
    on_poll: Callable[[Any], None] = lambda tb: None,
    flowgraph: Path = LOOPBACK,
    prepare: Callable[[Any], None] = lambda tb: None,
    **parameters: Any,
) -> Accounting:
    """Compile the loopback flowgraph, run it to its end in this process, and account for every frame.

    Args:
        deadline_s: after which it is stopped with an error.
        on_poll: called with the top block every 20 ms while it runs.
        flowgraph: another that holds the same blocks under the same names.
        prepare: called with the top block before it starts.
        parameters: the flowgraph's parameters by name.

    Raises:
        SdrScError: the flowgraph is missing, or does not compile, build or run; in one sentence. Not for the
            accounting's ``faults``: call its ``raise_if_faulty`` when the results are written.
    """
    if not flowgraph.is_file():
        raise FlowgraphError(
            f"flowgraph {flowgraph} is missing; run from a clone of the repository with its flowgraphs."
        )

    def poll() -> bool:
        on_poll(tb)
        return False

    with scratch_folder() as folder, failures.watching():
        generated = compile_flowgraph(flowgraph, Path(folder))
        tb = build(top_block_class(load_module(generated), generated), parameters)
        prepare(tb)
        faults: list[str] = []
        watch_flowgraph(tb, deadline_s, until=poll, faults=faults)
        tb.results.stop()
        raise_first_failure(tb)
        return account(tb, faults)
