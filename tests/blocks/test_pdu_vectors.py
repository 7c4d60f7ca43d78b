# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast ways between numpy arrays and PMT vectors, compiled and by bytes, give what the slow one gives."""

from __future__ import annotations

import time

import numpy as np
import pmt
import pytest

from sdr_sc.blocks.runtime import pmt_arrays, vectors
from sdr_sc.blocks.runtime.pdu import make_pdu, read_pdu
from sdr_sc.blocks.runtime.vectors import from_vector, read_pair, to_pair, to_vector
from sdr_sc.errors import MissingDependencyError, SdrScError

TYPES = [np.uint8, np.float32, np.complex64, np.float64, np.int32, np.int16]


@pytest.fixture(params=["compiled", "by bytes"], autouse=True)
def way(request, monkeypatch) -> str:
    """Both ways give the same."""
    assert pmt_arrays.why_not() == "", "make setup compiles it"
    if request.param == "by bytes":
        monkeypatch.setattr(vectors, "_COMPILED", None)
    return request.param


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


def test_both_ways_give_the_same_message(monkeypatch) -> None:
    meta = {"a": 1, "text": "\u00e4", "none": None, "list": [1, "b"], "large": 2**62, "long": "x" * 300, "c": 1 + 2j}
    for data in (values(np.complex64, 5), values(np.float32, 0), values(np.int32, 6)[::2]):
        made = to_pair(meta, data)
        monkeypatch.setattr(vectors, "_COMPILED", pmt_arrays.compiled())
        other = to_pair(meta, data)
        assert pmt.serialize_str(made) == pmt.serialize_str(other)
        assert read_pair(made) is None and read_pdu(made, "frames")[0].keys() == meta.keys()


def test_a_repeated_key_a_foreign_key_and_too_many_keys_are_left_to_the_slow_way() -> None:
    data, entry = to_vector(values(np.uint8, 2)), pmt.cons(pmt.intern("k"), pmt.from_long(1))
    twice = pmt.dcons(entry, pmt.dcons(entry, pmt.PMT_NIL))
    for wrong in (
        twice,
        pmt.dict_add(pmt.make_dict(), pmt.from_long(3), pmt.from_long(1)),
        pmt.to_pmt({f"key {number}": number for number in range(65)}),
        pmt.cons(entry, pmt.PMT_NIL),
    ):
        assert read_pair(pmt.cons(wrong, data)) is None


def test_what_is_missing_to_compile_it_is_reported(tmp_path, monkeypatch) -> None:
    module = pmt_arrays.PmtArrays()
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path)
    with pytest.raises(SdrScError, match="the compiled part of the blocks is not built; run 'sdr-sc doctor --compile'"):
        module.path()
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": str(tmp_path)})
    with pytest.raises(MissingDependencyError, match="headers of Python are missing.*gnuradio-dev pybind11-dev"):
        module.build()


def test_bindings_of_another_kind_are_not_used(monkeypatch) -> None:
    class Foreign:
        def from_vector(self, vector: object) -> object:
            raise TypeError("incompatible function arguments")

    monkeypatch.setattr(pmt_arrays, "_loaded", Foreign)
    assert "does not fit GNU Radio's bindings" in pmt_arrays.why_not.__wrapped__()
