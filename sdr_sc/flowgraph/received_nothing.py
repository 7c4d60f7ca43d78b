# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a receiver of a flowgraph has received nothing: the hint for the user, from what it kept of the signal."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sdr_sc.diagnosis import Diagnosis, diagnose
from sdr_sc.flowgraph.hint_words import Situation, Source, hint, numerology_cause
from sdr_sc.phy.numerology import Numerology

UNKNOWN = "its samples do not show why; look at channel, levels and numerology of both ends."
_IDLE = 10  # niceness of a diagnosis beside a running receiver
_RATES = ("sample_rate_hz", "early_window")
_SOURCES = {"channel": Source.CHANNEL, "usrp_source": Source.RADIO, "sigmf_source": Source.RECORDING}


@dataclass(frozen=True)
class Hint:
    """Why nothing was received, as far as that can be known.

    Attributes:
        text: one sentence for the user; '' where nothing is known.
        proven: whether the receiver finds frames once the cause is taken away.
        details: for results files.
    """

    text: str = ""
    proven: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For results files."""
        return {"hint": self.text, "proven": self.proven, **self.details}


def hint_for(tb: Any, receiver: Any, where: Situation) -> Hint:
    """Why a receiver block finds no frame; takes well under a second, and nothing where it has kept no samples.

    Args:
        tb: its top block, whose transmitters, if any, are compared with it.
        receiver: the `ofdm_rx`.
        where: what the user runs.
    """
    differing = _other_sizes_in(tb, receiver.numerology)
    if differing:
        return Hint(f"{numerology_cause(differing, receiver.numerology)}; give both ends the same numerology.", True,
                    {"cause": "numerology", "numerology": differing})  # fmt: skip
    samples = receiver.unheard.samples()
    if not len(samples):
        return Hint()
    try:
        found: Diagnosis = diagnose(samples, receiver.numerology)
    except Exception as error:  # a hint that cannot be made must not cost a run its results
        return Hint(details={"cause": "unknown", "error": f"{type(error).__name__}: {error}"})
    return Hint(hint(found, receiver.numerology, where), found.proven, found.to_dict())


def _other_sizes_in(tb: Any, own: Numerology) -> dict[str, int]:
    """Sizes of a transmitter in the same flowgraph that differ from the receiver's."""
    for block in _blocks(tb, "ofdm_tx"):
        theirs = block.numerology
        names = [each.name for each in fields(own) if each.name not in _RATES]
        differing = {name: getattr(theirs, name) for name in names if getattr(theirs, name) != getattr(own, name)}
        if differing:
            return differing
    return {}


def _blocks(tb: Any, kind: str) -> list[Any]:
    return [block for block in list(vars(tb).values()) if type(block).__name__ == kind]


def hints_of(tb: Any) -> list[Hint]:
    """Hints for all receivers of a flowgraph that has ended and that received no frame at all."""
    deaf = [block for block in _blocks(tb, "ofdm_rx") if not block.receiver.counters.delivered]
    where = Situation("run", _source_in(tb))
    found = (hint_for(tb, block, where) for block in deaf if block.samples_taken)
    return [each if each.text else replace(each, text=UNKNOWN) for each in found]


def _source_in(tb: Any) -> Source:
    """Where the samples in a flowgraph come from; not known where it holds several kinds."""
    kinds = {source for kind, source in _SOURCES.items() if _blocks(tb, kind)}
    return kinds.pop() if len(kinds) == 1 else Source.OTHER


class Diagnosing:
    """A diagnosis in a thread of its own, so that neither display nor receiver wait for it.

    Args:
        tb, receiver, where: of `hint_for`.
    """

    def __init__(self, tb: Any, receiver: Any, where: Situation) -> None:
        self._hint = Hint()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(tb, receiver, where), name="diagnosis", daemon=True)
        self._thread.start()

    def _run(self, tb: Any, receiver: Any, where: Situation) -> None:
        with suppress(OSError, AttributeError):  # only Linux has priorities of threads
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _IDLE)
        try:
            self._hint = hint_for(tb, receiver, where)
        finally:
            self._done.set()

    def result(self) -> Hint | None:
        """The hint; None while it is being looked for."""
        return self._hint if self._done.is_set() else None
