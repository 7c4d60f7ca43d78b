# SPDX-License-Identifier: GPL-3.0-or-later
"""Small recordings for tests, and SigMF's own validation."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.capture import Capture, CaptureWriter, FrameNote, Segment, SentFrame

RATE_HZ = 1e6
FREQ_HZ = 915e6
BANDWIDTH_HZ = 812500.0


def noise(count: int, seed: int = 1) -> np.ndarray:
    """complex64 (count,), within full scale."""
    rng = np.random.default_rng(seed)
    return (0.1 * (rng.standard_normal(count) + 1j * rng.standard_normal(count))).astype(np.complex64)


def note(number: int, start: int, count: int = 800, **changes: Any) -> FrameNote:
    """A frame of three items, two of which were answered correctly."""
    rng = np.random.default_rng(number)
    label = rng.integers(0, 10, 3)
    answer = label + np.array([0, 0, 1])
    fields: dict[str, Any] = {
        "snr_db": np.float32(10 + number / 3),
        "cfo_hz": -12.5 * number,
        "model_id": 0x1234,
        "frame_index": number,
        "item_id": np.arange(3) + 3 * number,
        "label": label,
        "answer": answer,
        "confidence": rng.random(3).astype(np.float32),
    }
    return FrameNote(start, count, number % 4096, 8, 3, **{**fields, **changes})


def record(path: Path, samples: np.ndarray | None = None, datatype: str = "cf32_le", **parameters: Any) -> np.ndarray:
    """A pair with frames 0, 1, 3, 4 (2 was not received), a gap in the middle, and an annotation of others."""
    samples = noise(20_000) if samples is None else samples
    config = {"seed": np.int64(1), "channel": "awgn"}
    with CaptureWriter(
        path, RATE_HZ, datatype, FREQ_HZ, "test", config, bandwidth_hz=BANDWIDTH_HZ, **parameters
    ) as writer:
        writer.segment(Segment(0, FREQ_HZ, "2026-01-02T03:04:05.5Z", (7, 0.75)))
        for start in range(0, len(samples), 4096):
            writer.write(samples[start : start + 4096])
        writer.segment(Segment(10_000, FREQ_HZ, None, (7, 0.76 + 0.005), "overflow"))
        for number, start in ((3, 12_000), (0, 1000), (1, 5000), (4, 16_000)):  # in any order
            writer.annotate(note(number, start))
        writer.not_received(SentFrame(2, 8, [6, 7, 8], [1, 2, 3]))
        writer.foreign({"core:sample_start": 200, "core:sample_count": 11_000, "core:comment": "by hand"})
    return samples


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the metadata of a pair."""
    file = path.with_name(path.name + ".sigmf-meta")
    meta = json.loads(file.read_text())
    edit(meta)
    file.write_text(json.dumps(meta))


def assert_valid(path: Path) -> None:
    """SigMF's own library reads the pair, its checksum fits, and its schema has nothing against it."""
    from sigmf.validate import _validate_single_file

    assert _validate_single_file(f"{path}.sigmf-meta", False, logging.getLogger("sigmf")) == 0


def data_file(path: Path) -> Path:
    """The samples of a pair."""
    return path.with_name(path.name + ".sigmf-data")


def sha512(path: Path) -> str:
    """Checksum of a pair's samples."""
    return hashlib.sha512(data_file(path).read_bytes()).hexdigest()


def all_samples(capture: Capture) -> np.ndarray:
    """All samples of a short recording."""
    return capture.samples(0, capture.sample_count)
