# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheme whose receiver is looked at while it is measured: probabilities of the classes, or all that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdr_sc.errors import SdrScError
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.receiver import ReceivedFrame
from sdr_sc.schemes.link import FrameOutcome, Link, LinkResult, noisy_channel
from sdr_sc.schemes.scheme import AllOutputs, BaseScheme, Knowledge, Scheme, SoftAnswers, Transmission

Look = Callable[[Transmission, ReceivedFrame], np.ndarray]
SOFT, KNOWLEDGE, OUTPUTS = "probabilities", "knowledge", "outputs"
_WAYS: dict[str, type] = {SOFT: SoftAnswers, KNOWLEDGE: Knowledge, OUTPUTS: AllOutputs}
ITEMS_PER_FRAME = 50
CFO_HZ = 700.0


class Watched(BaseScheme):
    """Another scheme, and what its receiver had of each item.

    Args:
        scheme: which one.
        what: `SOFT`, `KNOWLEDGE` or `OUTPUTS`.

    Raises:
        SdrScError: its receiver cannot be asked for that.
    """

    def __init__(self, scheme: Scheme, what: str) -> None:
        if not isinstance(scheme, _WAYS[what]):
            raise SdrScError(f"the receiver of scheme {scheme.name} cannot be asked for its {what}; leave it out.")
        self._scheme, self._look = scheme, getattr(scheme, what)
        self.name, self.task, self.k_list = scheme.name, scheme.task, scheme.k_list
        self.forget()

    def begin(self, channel: str) -> None:
        """Forget what was seen."""
        self._scheme.begin(channel)
        self.forget()

    @property
    def smoothing(self) -> float:
        """As the scheme."""
        return self._scheme.smoothing

    def forget(self) -> None:
        """What was sent so far does not count."""
        self._sent = 0
        self._places: dict[int, slice] = {}
        self._keep: list[Transmission] = []  # so that no id comes again
        self._found: dict[int, np.ndarray] = {}

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """As the scheme."""
        return self._scheme.frame_items(snr_db, k, most)

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """As the scheme."""
        transmissions = self._scheme.send(images, labels, snr_db, k)
        for one in transmissions:
            self._places[id(one)] = slice(self._sent + one.items.start, self._sent + one.items.stop)
        self._keep += transmissions
        self._sent += len(images)
        return transmissions

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """As the scheme."""
        self._found[self._places[id(transmission)].start] = self._look(transmission, received)
        return self._scheme.answer(transmission, received)

    def describe(self) -> dict[str, Any]:
        """As the scheme."""
        return self._scheme.describe()

    def seen(self, items: int) -> np.ndarray:
        """(items, width), in the order of sending; NaN where the frame was lost."""
        parts = [self._found[start] for start in sorted(self._found)]
        width = max((part.shape[1] for part in parts), default=1)
        out = np.full((items, width), np.nan)
        for start, part in self._found.items():
            out[start : start + len(part), : part.shape[1]] = part
        return out


@dataclass(frozen=True)
class Seen:
    """What came of a point.

    Attributes:
        result: of the link.
        values: float64 (items, width), see `Watched.seen`.
    """

    result: LinkResult
    values: np.ndarray


def watch(
    scheme: Scheme, what: str, images: np.ndarray, labels: np.ndarray, snr_db: float, k: int | None, seed: int = 1,
    channel: str = "", width: int = 1, mode: FrameMode | None = FrameMode.NORMAL,
) -> Seen:  # fmt: skip
    """Send items over a link that has been running, and keep what the receiver had of each.

    A channel is redrawn for each frame of `ITEMS_PER_FRAME` items, as in sweeps; noise alone goes on.

    Args:
        scheme: of the catalogue.
        what: `SOFT`, `KNOWLEDGE` or `OUTPUTS`.
        images: uint8 (n, *item_shape).
        labels: int64 (n,).
        snr_db: Es/N0 on the occupied subcarriers.
        k: payload symbols an item, or None for the scheme's choice.
        seed: of noise and channel.
        channel: models, see `sdr_sc.phy.channels.parse_chain`.
        width: of the values where no frame at all is received; elsewhere it is known.
        mode: of the frames; None to choose it by the SNR.
    """
    watched = Watched(scheme, what)
    outcomes: list[FrameOutcome] = []
    values: list[np.ndarray] = []
    spans: list[slice] = []
    for span, link in own_links(watched, len(labels), snr_db, k, seed, channel, mode):
        batch, truth = images[span], labels[span]
        link.sound(batch, truth)
        watched.forget()
        outcomes += link.send(batch, truth)
        values.append(watched.seen(len(truth)))
        spans.append(span)
    width = max(width, *(part.shape[1] for part in values))
    whole = np.full((len(labels), width), np.nan)
    for span, part in zip(spans, values, strict=True):
        whole[span, : part.shape[1]] = part
    classes = int(max(labels.max(), *(one.found.max(initial=0) for one in outcomes))) + 1
    return Seen(LinkResult.of(outcomes, classes), whole)


def own_links(
    scheme: Scheme, items: int, snr_db: float, k: int | None, seed: int, channel: str,
    mode: FrameMode | None = FrameMode.NORMAL,
) -> Iterator[tuple[slice, Link]]:
    """Links and the items that each is to send: over noise one for all; over a channel one for each frame, with a
    realisation or a part of a recording of its own, since most channels hardly change within a run.

    Args:
        scheme: its ``begin`` is called before each.
        items: how many there are.
        snr_db, k, seed, channel, mode: as for `watch`; all schemes meet the same channels.
    """
    step, numerology = ITEMS_PER_FRAME if channel else items, Numerology()
    for number, first in enumerate(range(0, items, step)):
        own_seed = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])
        scheme.begin(channel)
        air = noisy_channel(channel, snr_db, CFO_HZ, own_seed, numerology)
        yield slice(first, min(first + step, items)), Link(scheme, air, k, ITEMS_PER_FRAME, numerology, mode=mode)
