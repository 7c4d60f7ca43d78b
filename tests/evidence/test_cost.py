# SPDX-License-Identifier: GPL-3.0-or-later
"""Energy by hand, time and size of real schemes, 8 bits beside 32, and peaks."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.errors import SdrScError
from sdr_sc.evidence.cost import bench_cost, modem_rows, network_rows
from sdr_sc.evidence.energy import EnergyModel
from sdr_sc.evidence.entries import entry_named
from sdr_sc.evidence.int8 import bench_int8
from sdr_sc.evidence.operations import DECODING_AN_EDGE, MESSAGE_BYTES, Work, codes_watched, of_ends
from sdr_sc.evidence.peaks import bench_peaks, peaks_db
from sdr_sc.phy.coding.ldpc_qam import LdpcQam, with_crc
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.catalogue import make_scheme
from sdr_sc.semantic.weights import DEFAULT_MODEL


def silent(_: str) -> None:
    """A log that nobody reads."""


def test_energy_is_what_the_parameters_say() -> None:
    model = EnergyModel(radiated_mw=100, backoff_db=0, efficiency=0.5, transmit_circuit_mw=50, core_watts=4)
    assert model.transmit_mj(1e-3) == pytest.approx(0.25)  # 200 mW and 50 mW for a millisecond
    assert model.receive_mj(1e-3) == pytest.approx(0.1125)
    assert EnergyModel(backoff_db=3.0103).transmit_mj(1.0) > 1.9 * EnergyModel(backoff_db=0).transmit_mj(1.0) - 100
    assert model.arithmetic_mj(1e6) == pytest.approx(2.3e-3) and model.arithmetic_mj(1e6, True) < 1.2e-4
    assert model.core_mj(0.5) == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["radiated_mw", "efficiency", "core_watts"])
def test_a_parameter_out_of_range_is_named(name: str) -> None:
    with pytest.raises(SdrScError, match=f"energy: {name} is -1"):
        EnergyModel(**{name: -1})


def test_cost_of_a_scheme_adds_up() -> None:
    model = EnergyModel(core_watts=2.0)
    rows = {row.name: row.value for row in bench_cost(True, 1, silent, model, (entry_named("ours:k=4"),))}
    name = "ours:k=4; "
    air_s = 1e-6 * rows[f"{name}air, us"]
    assert air_s * 1e6 == pytest.approx(19 * 80 / 50)  # 14 OFDM symbols and 200 features on 5, for 50 items
    assert rows[f"{name}transmitting, uJ"] == pytest.approx(1e3 * model.transmit_mj(air_s))
    assert rows[f"{name}computing at the transmitter, uJ"] == pytest.approx(2e3 * rows[f"{name}transmitter, ms"])
    assert rows[f"{name}transmitter, ms"] > rows[f"{name}receiver, ms"] > 0
    assert rows[f"{name}transmitter, kB of weights"] == pytest.approx(192.7, abs=0.1)


def test_cost_of_the_networks_is_that_of_the_shipped_student() -> None:
    rows = {row.name: row.value for row in network_rows(DEFAULT_MODEL, EnergyModel())}
    assert rows["encoder; parameters"] == 47_856 and rows["decoder; parameters"] == 43_402
    assert rows["encoder; MFLOP"] == pytest.approx(4.2, abs=0.05)
    assert rows["encoder; uJ by arithmetic alone, float32"] == pytest.approx(2.3 * rows["encoder; MFLOP"])
    assert rows["encoder; kB of activations at most, float32"] > 28 * 28 * 4 / 1e3


def test_codes_are_counted_by_the_edges_and_iterations_that_they_need() -> None:
    code = LdpcQam(200, 200, 2)
    bits = np.stack([with_crc(np.ones(150, np.uint8), 200)] * 3)
    variance = np.full((3, 200), np.float32(0.25))
    noise = np.random.default_rng(1).standard_normal((3, 200, 2)).astype(np.float32).view(np.complex64)[..., 0]
    with codes_watched() as work:
        sent = code.encode(bits)
        received = sent + np.sqrt(variance / 2) * noise
        assert code.decode(received, variance)[1].all()
    assert code.edges > 3 * 200 and work.encode_operations == 3 * code.edges
    assert code.iterations_done >= 3
    assert work.decode_operations == DECODING_AN_EDGE * code.edges * code.iterations_done
    assert work.message_bytes == MESSAGE_BYTES * code.edges and work.encode_ms > 0 and work.decode_ms > 0
    before = work.decode_operations
    code.decode(received, variance)
    assert work.decode_operations == before, "what follows is not counted"


def test_operations_stand_at_the_end_that_has_the_network() -> None:
    def ends(kind: str, **parameters: str | int) -> tuple[Work, Work]:
        found = of_ends(kind, make_scheme(kind, **parameters), DEFAULT_MODEL, 10.0, None, 50)
        assert found is not None
        return found

    ours, of_class = ends("ours"), ends("label_ldpc", teacher="student")
    assert of_class[0].flops == ours[0].flops + ours[1].flops and of_class[1].flops == 0
    assert of_ends("pca", make_scheme("pca"), DEFAULT_MODEL, 10.0, None, 50) is None
    sent, received = ends("thumbnail_ldpc", target=90)
    side = 14
    convolutions = side**2 * 9 * (32 + 32 * 48) + side**2 / 4 * 9 * (48 * 64 + 2 * 64 * 64)
    assert received.flops - sent.flops == pytest.approx(2 * 2 * (convolutions + 4 * 64 * 10), rel=1e-6)
    assert 2 * side**2 * (32 + 3 + 2 * side + 1) * 16 < sent.flops < received.flops


def test_the_modem_costs_both_ends_something() -> None:
    sent, received = modem_rows(True, 1)
    assert received.value > sent.value > 0


def test_eight_bits_are_smaller_and_nearly_as_good() -> None:
    rows = {row.name: row for row in bench_int8(DEFAULT_MODEL, True, 1, silent)}
    for part in ("encoder", "decoder"):
        assert rows[f"size of the {part}; int8"].value < 0.7 * rows[f"size of the {part}; float32"].value
    assert rows["20 dB, k=2; float32"].value > 90 and rows["0 dB, k=2; float32"].value < 75
    for name, row in rows.items():
        if name.endswith("lost by int8"):
            both = [rows[name.replace("lost by int8", precision)].value for precision in ("float32", "int8")]
            assert row.value == pytest.approx(both[0] - both[1]) and abs(row.value) < 3
    assert rows["encoding one item; int8"].value > 0


def test_peaks_of_a_known_symbol() -> None:
    """All subcarriers in phase add up to 52 times the amplitude: the peak is 52 times the mean power."""
    numerology = Numerology()
    rng = np.random.default_rng(1)
    random = peaks_db(np.exp(2j * np.pi * rng.random((48, 40))).astype(np.complex64), numerology)
    assert len(random) == 40 and 6 < np.median(random) < 9 and random.max() < 10 * np.log10(52)
    quiet = peaks_db(np.full((48, 40), 0.01, np.complex64), numerology)
    assert np.median(quiet) < np.median(random) - 5, "over the mean of all symbols, not over its own"


def test_features_peak_about_as_qam() -> None:
    rows = {row.name: row.value for row in bench_peaks(DEFAULT_MODEL, True, 1, silent)}
    assert 6.5 < rows["16-QAM; above it 50 %"] < 8
    assert abs(rows["features, k=32; above it 50 %"] - rows["16-QAM; above it 50 %"]) < 1
