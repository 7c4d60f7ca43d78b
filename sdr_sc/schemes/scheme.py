# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep asks of a scheme: items to symbols of frames, and received frames to answers."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sdr_sc.data.dataset import CLASSIFICATION
from sdr_sc.link.mapping import IMPORTANCE
from sdr_sc.phy.frame.header import MAX_ITEMS, MAX_K
from sdr_sc.phy.frame.indexed import Indexed
from sdr_sc.phy.receive.receiver import ReceivedFrame

MOST_SYMBOLS = MAX_ITEMS * MAX_K
"""Complex symbols of payload that one frame can carry."""


@dataclass(frozen=True)
class Transmission:
    """The payload of one frame.

    Attributes:
        payload: complex64 (rows, width), mean power 1 over the frame: the header gives rows as ``n_items`` and width as
            ``k``, so 1..255 rows of 1..256 symbols.
        items: places of the frame's items among the images that `Scheme.send` was given.
        model_id: 16-bit id in the header.
        side: what the receiver knows by agreement or reads in the header, nothing that depends on the items.
        refinement: complex64 (n,), mean power 1: more symbols of items that were sent before.
        request: which request of the receiver they answer, for the header; 0 for none.
        by_importance: the first symbols of each row matter most, and are to be mapped onto the strongest subcarriers.
        indexed: of a frame with indices into a knowledge base, for the header: ``payload`` is then empty, (0, 1), and
            ``refinement`` all of the payload.
    """

    payload: np.ndarray
    items: slice
    model_id: int
    side: Any = None
    refinement: np.ndarray = field(default_factory=lambda: np.empty(0, np.complex64))
    request: int = 0
    by_importance: bool = False
    indexed: Indexed | None = None

    @property
    def channel_uses(self) -> int:
        """Complex symbols of the payload, with those that only fill it up."""
        return int(self.payload.size + self.refinement.size)


class Scheme(Protocol):
    """A way to bring the class of an item to the receiver."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    @property
    def task(self) -> str:
        """What it answers, by which answers are scored; see `sdr_sc.semantic.tasks`."""
        ...

    @property
    def k_list(self) -> tuple[int, ...] | None:
        """The payload symbols per item that may be asked for, rising; None where there is no such choice."""
        ...

    @property
    def smoothing(self) -> float:
        """Weight of the past in the SNR that it wants to be fed, 0 to below 1, on the channel that `begin` named."""
        ...

    def begin(self, channel: str) -> None:
        """A run starts: forget all that was learned of an earlier link.

        Args:
            channel: the channel as text, '' for noise alone, for tables that hold for one channel.
        """
        ...

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """How many items the next frame takes, 1..``most``."""
        ...

    def send(self, images: np.ndarray, labels: np.ndarray, snr_db: float | None, k: int | None) -> list[Transmission]:
        """Frames that carry the items.

        Args:
            images: uint8 (n, 28, 28).
            labels: int (n,), the truth; for schemes that say in their description that they use it.
            snr_db: the receiver's estimate of the frame before, smoothed as the scheme wants it, dB; None when there is
                none.
            k: payload symbols per item, from ``k_list``; None for the scheme's own choice at that SNR.

        Returns:
            One `Transmission` a frame; each item is in exactly one.
        """
        ...

    def answer(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """int64 (items of that frame,): the class of each, -1 where it cannot be decoded."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it is, for people and for result files: plain values by name."""
        ...


@runtime_checkable
class LaterAnswers(Protocol):
    """What a scheme has beside `Scheme` whose answers may come after later frames: its ``answer`` is to be ignored."""

    def settled(self) -> list[tuple[Transmission, np.ndarray]]:
        """Transmissions that are answered now, in the order in which they were received, and their answers."""
        ...

    def flush(self, snr_db: float | None) -> list[Transmission]:
        """Frames without new items, sent after the last ones; none where nothing is left to be said.

        Args:
            snr_db: as for `Scheme.send`.
        """
        ...

    def close(self) -> None:
        """No frame comes any more: settle everything."""
        ...


@runtime_checkable
class SoftAnswers(Protocol):
    """What a scheme has beside `Scheme` whose receiver knows how sure it is."""

    def probabilities(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """float64 (items of that frame, classes): of each class, sum 1; NaN where the item is lost."""
        ...


@runtime_checkable
class Knowledge(Protocol):
    """What a scheme has beside `Scheme` whose receiver holds something of each item, be it only its answer."""

    def knowledge(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """float32 (items of that frame, any width): all that a head for other labels can be fitted on; NaN where the
        item is lost."""
        ...


@runtime_checkable
class AllOutputs(Protocol):
    """What a scheme has beside `Scheme` whose receiver answers several tasks of one transmission."""

    def outputs(self, transmission: Transmission, received: ReceivedFrame) -> np.ndarray:
        """float32 (items of that frame, outputs of all tasks); NaN where the item is lost."""
        ...


@runtime_checkable
class Acknowledging(Protocol):
    """What a scheme has beside `Scheme` whose receiver can check a frame, so that it may acknowledge it."""

    def is_whole(self, found: np.ndarray) -> bool:
        """Whether a frame with these answers, of `Scheme.answer`, was received as it was sent."""
        ...


class BaseScheme:
    """What most schemes do alike.

    Attributes:
        by_importance: map the first symbols of all items onto the strongest subcarriers; for schemes whose first
            symbols matter most. Off by default.
    """

    name = "base"
    by_importance = False
    task = CLASSIFICATION
    k_list: tuple[int, ...] | None = None

    @property
    def smoothing(self) -> float:
        """None: each frame is sent for the estimate of the one before."""
        return 0.0

    def begin(self, channel: str) -> None:
        """Nothing to forget."""

    def frame_items(self, snr_db: float | None, k: int | None, most: int) -> int:
        """As many as may be."""
        return most

    def mapping(self) -> dict[str, str]:
        """For `describe`: how symbols are mapped, where they are not interleaved."""
        return {"mapping": IMPORTANCE} if self.by_importance else {}

    def items_of(self, transmission: Transmission) -> slice:
        """Places of the frame's items among the images that were sent."""
        return transmission.items


def known_parts(received: ReceivedFrame) -> np.ndarray:
    """float32 (items, 2 k): analog symbols as `Knowledge` has them; 0 for erased ones, NaN for an item without any."""
    lost = received.erased.all(axis=1)
    parts = np.where(received.erased, np.complex64(0), received.features).astype(np.complex64).view(np.float32)
    return np.where(lost[:, None], np.float32(np.nan), parts)


def wire_id(name: str) -> int:
    """16-bit id of a scheme in the frame header.

    >>> hex(wire_id("pca"))
    '0xd8e8'
    """
    return zlib.crc32(name.encode()) & 0xFFFF


def as_matrix(symbols: np.ndarray) -> np.ndarray:
    """Symbols as a payload that a frame header can describe, filled up with ones.

    Args:
        symbols: complex64 (n,), n up to `MOST_SYMBOLS`.

    Returns:
        complex64 (rows, width), at most rows - 1 symbols more than n.

    Raises:
        ValueError: there are none, or too many.

    >>> as_matrix(np.ones(1000, np.complex64)).shape
    (4, 250)
    """
    count = len(symbols)
    if not 1 <= count <= MOST_SYMBOLS:
        raise ValueError(f"{count} symbols do not fit a frame, which takes 1 to {MOST_SYMBOLS}")
    rows = -(-count // MAX_K)
    width = -(-count // rows)
    filled = np.ones(rows * width, np.complex64)
    filled[:count] = symbols
    return filled.reshape(rows, width)
