# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the ends of a link, and waiting for what becomes of them."""

from __future__ import annotations

import socket
import time

import numpy as np
import pmt

from sdr_sc.blocks.runtime.pdu import make_pdu


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def frame_pdu(number: int) -> pmt.pmt_base:
    features = np.exp(1j * np.arange(16)).astype(np.complex64)
    return make_pdu({"n_items": 2, "k": 8, "frame_num": number, "model_id": 7}, features)


def wait_for(condition: object, limit_s: float = 60.0) -> bool:
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def sent_meta(index: int) -> dict:
    item = {"item_id": np.array([index], np.int32), "label": np.array([1], np.int32)}
    return {"frame_index": index, "k": 8, "n_items": 1, "time_ns": 0, **item}


def answer_meta(index: int) -> dict:
    return {"frame_num": index, "confidence": np.array([0.5], np.float32), "snr_db": 9.0}
