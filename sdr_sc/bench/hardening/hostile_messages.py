# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that do harm to a reader of PDUs, real ones, and mutations of real ones; all made by code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from sdr_sc.link.end_of_stream import END
from sdr_sc.link.network.pdu_wire import Refusal, write_pdu
from sdr_sc.link.network.sample_wire import read_samples

_NOTHING = np.empty(0, np.uint8)


def feedback(number: int = 3, snr_db: float = 12.5, **more: object) -> bytes:
    """What a receiver reports of a frame."""
    meta = {"snr_db": snr_db, "snr_frame_db": snr_db, "frame_num": number, "cfo_hz": 35.0, **more}
    return write_pdu(meta, np.array([snr_db], np.float32))


def sent_meta(index: int = 5, items: int = 4) -> dict[str, object]:
    """Metadata of a frame that was sent."""
    return {
        "frame_num": index % 4096,
        "frame_index": index,
        "n_items": items,
        "k": 8,
        "model_id": 7,
        "feedback_snr_db": float("nan"),
        "item_id": np.arange(items, dtype=np.int32),
        "label": np.arange(items, dtype=np.int32),
        "time_ns": 2**40,
    }


def sent(index: int = 5, items: int = 4, item_bytes: int = 784, **other: Any) -> bytes:
    """What a transmitter says of a frame."""
    return write_pdu({**sent_meta(index, items), **other}, np.zeros(items * item_bytes, np.uint8))


def truth(items: int = 4, item_bytes: int = 784, **other: Any) -> bytes:
    """What a source says of its items."""
    shown = {"modality": "image", "item_shape": np.array([item_bytes or 1], np.int32)}
    columns = {key: np.arange(items, dtype=np.int32) for key in ("item_id", "label")}
    return write_pdu({**columns, **shown, **other}, np.zeros(items * item_bytes, np.uint8))


def end(frames: int = 9) -> bytes:
    """What a transmitter says at its end."""
    return write_pdu({END: True, "frames_sent": frames}, _NOTHING)


def harmful() -> dict[str, bytes]:
    """By what they try; each ended, froze or filled a process that gave it to PMT's parser, or might have."""
    pair, null, entry = b"\x07", b"\x06", b"\x09\x07"
    symbol = b"\x02\x00\x01a"

    def vector(kind: int, count: int, padding: int = 0) -> bytes:
        return struct.pack(">BBIB", 0x0A, kind, count, padding)

    return {
        "nothing": b"",
        "pairs within pairs": pair * 100_000,
        "more pairs within pairs": pair * 900_000,
        "a list of pairs": (pair + null) * 100_000,
        "dictionary of 100,000 entries": pair + (entry + symbol + null) * 100_000,
        "dictionaries within a value": pair + (entry + symbol) * 100_000,
        "vectors within vectors": pair + null + b"\x08\x00\x00\x00\x01" * 100_000,
        "vector of four billion": b"\x08\xff\xff\xff\xff",
        "tuple of four billion": b"\x0c\xff\xff\xff\xff",
        "tuples within tuples": b"\x0c\x00\x00\x00\x01" * 100_000,
        "uniform vector of a quarter of a billion doubles": pair + null + vector(0x0A, 1 << 28),
        "uniform vector of a billion bytes": b"\x0a\x00\x3f\xff\xff\xff",
        "uniform vector of four billion": pair + null + vector(0x0B, 0xFFFFFFFF),
        "the same as a value": pair + entry + symbol + vector(0x0B, 0xFFFFFFFF),
        "padding beyond the end": pair + null + vector(0, 0, 255),
        "type that is none": pair + null + vector(0x7F, 0),
        "symbol beyond the end": pair + entry + b"\x02\xff\xff" + b"a" * 10,
        "symbol of 65,535 bytes": pair + entry + b"\x02\xff\xff" + b"a" * 65_535 + null + null,
        "symbol that is no UTF-8": pair + entry + b"\x02\x00\x02\xff\xfe\x00" + null + vector(0, 0, 1) + b"\x00",
        "symbol with control characters": pair + entry + b"\x02\x00\x04\x1b[2J\x00" + null + vector(0, 0, 1) + b"\x00",
        "number that is cut short": pair + entry + symbol + b"\x04\x00\x00",
        "key and no value": pair + entry + symbol,
        "unknown tag": b"\xff" * 50,
        "zeros": bytes(1000),
        "text": b"GET / HTTP/1.1\r\n\r\n",
        "JSON": b'{"snr_db": 99, "frame_num": 1}',
        "samples": np.random.default_rng(1).standard_normal(4096).astype(np.float32).tobytes(),
        "1 MiB of noise": np.random.default_rng(2).bytes(1 << 20),
    }


def wrong_feedback() -> dict[str, bytes]:
    """Well-formed PDUs that are no feedback, by what is wrong."""
    values = {
        "99 dB": 99.0, "1e300 dB": 1e300, "-41 dB": -41.0, "infinite": float("inf"), "not a number": float("nan"),
        "a flag as SNR": True, "a vector as SNR": np.ones(3, np.float32),
    }  # fmt: skip
    nothing = np.empty(0, np.float32)
    made = {name: write_pdu({"snr_db": value, "frame_num": 3}, nothing) for name, value in values.items()}
    numbers = {"frame 4096": 4096, "frame -1": -1, "frame 2^62": 2**62, "frame 1.5": 1.5, "flag": True}
    for name, value in numbers.items():
        made[name] = write_pdu({"snr_db": 3.0, "frame_num": value}, np.array([3.0], np.float32))
    made["no SNR"] = write_pdu({"frame_num": 1}, np.array([3.0], np.float32))
    made["no frame"] = write_pdu({"snr_db": 1.0}, np.array([1.0], np.float32))
    made["a key more"] = feedback(evil=1)
    made["another SNR as data"] = write_pdu({"snr_db": 1.0, "frame_num": 1}, np.array([2.0], np.float32))
    made["many values"] = write_pdu({"snr_db": 1.0, "frame_num": 1}, np.ones(100, np.float32))
    made["complex data"] = write_pdu({"snr_db": 1.0, "frame_num": 1}, np.ones(1, np.complex64))
    made["a frame that was sent"] = sent(items=1, item_bytes=10)
    reports = {
        "empty report": np.empty(0, np.uint8), "report of 513 bytes": np.zeros(513, np.uint8),
        "report of whole numbers": np.zeros(26, np.int32), "report of gains": np.ones(52, np.complex64),
        "report as number": 7, "report as text": "strong", "report as flag": True,
    }  # fmt: skip
    made |= {name: feedback(report=report) for name, report in reports.items()}
    made["report's frame"] = feedback(report=np.zeros(26, np.uint8), report_frame=2)
    made["bytes after it"] = feedback() + b"\x00"
    made["twice"] = feedback() * 2
    return made


def wrong_sent() -> dict[str, bytes]:
    """Well-formed PDUs that are no news of a frame or of items, by what is wrong."""
    few = np.arange(3, dtype=np.int32)
    others: dict[str, dict[str, Any]] = {
        "no items": {"n_items": 0}, "items and labels differ": {"n_items": 3}, "fewer labels": {"label": few},
        "fewer ids": {"item_id": few}, "256 items": {"n_items": 256}, "labels as doubles": {"label": np.ones(4)},
        "label 2,000,000,000": {"label": np.full(4, 2_000_000_000, np.int32)},
        "label -7": {"label": np.full(4, -7, np.int32)},
        "index 1.5": {"frame_index": 1.5}, "index 2^62": {"frame_index": 2**62}, "index -1": {"frame_index": -1},
        "number of another frame": {"frame_num": 6}, "k as flag": {"k": True}, "k of 0": {"k": 0},
        "k of 257": {"k": 257}, "time below 0": {"time_ns": -1}, "time as double": {"time_ns": 1.0},
        "model -1": {"model_id": -1}, "a key more": {"evil": 1}, "SNR of 1e9 dB": {"feedback_snr_db": 1e9},
        "shape of other items": {"item_shape": np.array([28, 27], np.int32)}, "shape as number": {"item_shape": 784},
        "modality as number": {"modality": 3},
        "and an end": {END: True},
    }  # fmt: skip
    made = {name: sent(**other) for name, other in others.items()}
    for key in sent_meta():
        if key not in ("model_id", "feedback_snr_db", "label"):
            meta = sent_meta()
            del meta[key]
            made[f"without {key}"] = write_pdu(meta, np.zeros(4 * 784, np.uint8))
    made["picture that does not divide"] = write_pdu(sent_meta(), np.zeros(4 * 784 + 1, np.uint8))
    made["picture of another size"] = sent(item_bytes=100)
    made["picture of complex values"] = write_pdu(sent_meta(), np.zeros(4 * 784, np.complex64))
    wrong_truths: dict[str, dict[str, Any]] = {
        "no item": {"items": 0}, "256 items": {"items": 256}, "fewer labels": {"label": few},
        "fewer ids": {"item_id": few}, "modality as number": {"modality": 3},
        "shape of other items": {"item_shape": np.array([28, 27], np.int32)}, "shape as number": {"item_shape": 784},
        "label -7": {"label": np.full(4, -7, np.int32)}, "ids as doubles": {"item_id": np.ones(4)},
        "ids below -1": {"item_id": np.full(4, -2, np.int32)}, "one label": {"label": 1}, "a key more": {"evil": 1},
        "items of another size": {"item_bytes": 100}, "an SNR as well": {"snr_db": 3.0}, "and an end": {END: True},
    }  # fmt: skip
    made |= {f"truth: {name}": truth(**other) for name, other in wrong_truths.items()}
    made["truth: no label"] = write_pdu({"item_id": few}, _NOTHING)
    made["truth: bytes that do not divide"] = write_pdu({"item_id": few, "label": few}, np.zeros(4, np.uint8))
    made["truth: complex values"] = write_pdu({"item_id": few, "label": few}, np.zeros(3 * 784, np.complex64))
    made["an end that is none"] = write_pdu({END: False}, _NOTHING)
    made["an end with data"] = write_pdu({END: True}, np.zeros(4, np.uint8))
    made["an end of -1 frames"] = write_pdu({END: True, "frames_sent": -1}, _NOTHING)
    made["feedback"] = feedback()
    return made


def wrong_samples(count: int, seed: int) -> list[bytes]:
    """Messages made of samples with a tag by a few changes each, none of which is one of samples any more."""
    samples = np.arange(8, dtype=np.complex64).tobytes()
    tag = struct.pack("<Q", 3) + b"\x02\x00\x01a" + b"\x03\x00\x00\x00\x07" + b"\x01"
    real = [struct.pack("<HBQQ", 0x5FF0, 1, 0, tags) + tag * tags + samples for tags in (0, 1, 3)]
    found: list[bytes] = []
    while len(found) < count:
        for raw in mutations(real, count, seed):
            try:
                read_samples(raw)
            except Refusal:
                found.append(raw)
        seed += 1
    return found[:count]


def mutations(real: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Messages made of real ones by a few changes each: bits, bytes, lengths, pieces; some may still be right."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        raw = bytearray(real[int(rng.integers(len(real)))])
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(len(raw) + 1))
            way = int(rng.integers(7))
            if way == 0 and place < len(raw):
                raw[place] ^= 1 << int(rng.integers(8))
            elif way == 1 and place < len(raw):
                raw[place] = int(rng.integers(256))
            elif way == 2:
                del raw[place:]
            elif way == 3:
                raw[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00"])
            elif way == 4:
                raw[place:place] = rng.bytes(int(rng.integers(1, 9)))
            elif way == 5:
                length = int(rng.integers(1, 64))
                raw[place:place] = raw[place : place + length]
            else:
                del raw[place : place + int(rng.integers(1, 16))]
        yield bytes(raw)
