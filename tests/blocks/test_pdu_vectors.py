# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast way between numpy arrays and PMT vectors gives what the slow one gives."""

from __future__ import annotations

import time

import numpy as np
import pmt
import pytest

from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.runtime.vectors import from_vector, to_vector

TYPES = [np.uint8, np.float32, np.complex64, np.float64, np.int32, np.int16]


def values(kind: type, count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    real = 100 * rng.standard_normal(count)
    return (real + 1j * rng.standard_normal(count) if kind is np.complex64 else np.abs(real)).astype(kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("count", [0, 1, 7, 4128])
def test_vectors_are_those_of_pmt(kind: type, count: int) -> None:
    array = values(kind, count)
    vector = to_vector(array)
    assert pmt.equal(vector, pmt.to_pmt(array)) if count else pmt.length(vector) == 0
    back = from_vector(vector)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert back.flags.writeable


def test_special_values_pass_unchanged() -> None:
    array = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32)
    assert array.tobytes() == from_vector(to_vector(array)).tobytes()


def test_strided_arrays_are_taken_as_they_read() -> None:
    array = values(np.complex64, 20)[::2]
    assert np.array_equal(from_vector(to_vector(array)), array)


def test_the_fast_way_reads_dictionaries_as_the_slow_one() -> None:
    from sdr_sc.blocks.runtime.vectors import read_pair

    meta = {"k": 3, "big": -(2**40), "snr_db": 1.5, "no": False, "yes": True, "": -1, "v": values(np.int32, 5)}
    meta |= {f"v{np.dtype(kind).name}": values(kind, 3) for kind in (np.uint8, np.float32, np.complex64)}
    message, data = make_pdu(meta, values(np.float32, 4)), values(np.float32, 4)
    (quick, found), slow = read_pair(message), pmt.to_python(pmt.car(message))
    assert set(quick) == set(slow) == set(meta) and np.array_equal(found, data)
    for key, value in slow.items():
        assert np.array_equal(quick[key], value) and np.asarray(quick[key]).dtype == np.asarray(value).dtype
    text, empty, listed = (pmt.to_pmt(meta) for meta in ({"name": "text"}, {}, {"list": [1, 2]}))
    assert read_pair(pmt.cons(text, to_vector(data)))[0] == {"name": "text"}
    assert read_pair(pmt.cons(pmt.make_dict(), to_vector(data)))[0] == {}
    for other in (pmt.cons(listed, to_vector(data)), pmt.cons(text, pmt.intern("a")), text, empty, pmt.PMT_NIL):
        assert read_pair(other) is None


def test_pdu_keeps_its_metadata() -> None:
    meta = {
        "k": 3,
        "big": -(2**40),
        "negative": -7,
        "t": (1, 2.0),
        "snr_db": 1.5,
        "name": "a",
        "flag": True,
        "number": np.float32(2.5),
        "v": values(np.float32, 5),
    }
    read, data = read_pdu(make_pdu(meta, values(np.complex64, 9)), "frames")
    assert np.array_equal(data, values(np.complex64, 9))
    assert np.array_equal(read.pop("v"), meta.pop("v"))
    assert read == meta


def test_pdu_is_the_one_that_pmt_makes() -> None:
    meta = {"k": 3, "snr_db": -1.5, "name": "\u00e4b", "flag": False, "v": values(np.uint8, 5), "n": np.int64(2**31)}
    dictionary = pmt.make_dict()
    for key, value in meta.items():
        dictionary = pmt.dict_add(dictionary, pmt.intern(key), pmt.to_pmt(int(value) if key == "n" else value))
    assert pmt.equal(make_pdu(meta, values(np.float32, 9)), pmt.cons(dictionary, pmt.to_pmt(values(np.float32, 9))))


def test_it_is_the_fast_way() -> None:
    array = values(np.complex64, 4096)

    def fastest(convert: object) -> float:
        times = []
        for _ in range(20):
            began = time.perf_counter()
            convert(array)  # type: ignore[operator]
            times.append(time.perf_counter() - began)
        return min(times)

    assert fastest(to_vector) < fastest(pmt.to_pmt) / 5
