# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels as text, every model under any cut of its input, and the bank of gains for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_files import write

from sdr_sc.errors import ChannelError
from sdr_sc.phy.channels import (
    MODEL_NAMES,
    Awgn,
    CarrierOffset,
    Chain,
    ClockOffset,
    ParsedChain,
    Quantise,
    parse_chain,
    power_gains,
)
from sdr_sc.phy.numerology import Numerology

N64 = Numerology()
MODELS = {
    "delay": "delay(samples=9)",
    "multipath": "multipath(taps=[1, 0.5j, 0, -0.2])",
    "rayleigh_block": "rayleigh_block(block_samples=700, rms_delay_samples=3)",
    "rayleigh": "rayleigh(doppler_hz=900)",
    "rician": "rician(k_factor_db=3, doppler_hz=0, renew_samples=311)",
    "tdl_a": "tdl_a(delay_spread_ns=700, doppler_hz=4000, renew_samples=1234)",
    "tdl_b": "tdl_b(delay_spread_ns=0)",
    "tdl_c": "tdl_c(delay_spread_ns=300, doppler_hz=0)",
    "tdl_d": "tdl_d(delay_spread_ns=300, doppler_hz=20000)",
    "tdl_e": "tdl_e(doppler_hz=50)",
    "measured": 'measured(file="FILE", speed=100, renew_samples=900)',
    "carrier_offset": "carrier_offset(cfo_hz=-12345.6)",
    "clock_offset": "clock_offset(ppm=-300)",
    "phase_noise": "phase_noise(linewidth_hz=1e5)",
    "iq_imbalance": "iq_imbalance(gain_db=1, phase_deg=-3)",
    "dc_offset": "dc_offset(relative_db=-20)",
    "tone": "tone(relative_db=-20, frequency_hz=1e5)",
    "impulses": "impulses(every_samples=90, relative_db=-25, length_samples=7)",
    "ofdm_interference": "ofdm_interference(relative_db=-20, frequency_hz=1e5, on_samples=300, off_samples=77)",
    "shadowing": "shadowing(spread_db=2, coherence_s=1e-3)",
    "gain_step": "gain_step(step_db=6, settle_samples=20)",
    "clip": "clip(backoff_db=1)",
    "quantise": "quantise(bits=6)",
    "gaps": "gaps(gap_samples=50, every_samples=300)",
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("measured") / "channel.npz")


def parse(text: str, seed: int = 1) -> ParsedChain:
    return parse_chain(text, 1e6, seed, N64)


def test_every_model_is_tried_here() -> None:
    assert {*MODELS, "noise"} == set(MODEL_NAMES)


@pytest.mark.parametrize("name", MODELS)
def test_cutting_the_input_changes_no_bit(name: str, file: Path) -> None:
    text = MODELS[name].replace("FILE", str(file))
    samples = Awgn(0.0, 9).process(np.zeros(4000, np.complex64))
    whole = Chain(parse(text).models).process(samples)
    assert whole.dtype == np.complex64 and np.isfinite(whole).all()

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(st.lists(st.integers(0, 4000), max_size=30))
    def cut(places: list[int]) -> None:
        model = Chain(parse(text).models)
        parts = [model.process(part) for part in np.split(samples, sorted(places))]
        assert np.array_equal(np.concatenate(parts), whole)

    cut()
    one_by_one = Chain(parse(text).models)
    singles = [one_by_one.process(samples[i : i + 1]) for i in range(1500)]
    got = np.concatenate(singles)
    assert np.array_equal(got, whole[: len(got)])


def test_cutting_changes_no_bit_of_noise_and_a_whole_chain() -> None:
    samples = np.ones(5000, np.complex64)

    def make() -> Chain:
        parsed = parse("clip(backoff_db=8), tdl_c(doppler_hz=50), clock_offset(ppm=20), phase_noise(), gaps("
                       "gap_samples=9, every_samples=500), noise(), quantise(bits=12)")  # fmt: skip
        models = [*parsed.before.models, CarrierOffset(321.0, 1e6), Awgn(5.0, 3), *parsed.after.models]
        return Chain(models)

    whole, model = make().process(samples), make()
    parts = [model.process(part) for part in np.split(samples, [0, 1, 2, 3, 777, 778, 4100])]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("clip", "gaps", "measured")])
def test_mean_power_is_what_is_measured(name: str) -> None:
    # 2000 realisations, or 2000 symbols of one: the mean of exponential powers is known to 2.3 %.
    rng = np.random.default_rng(2)
    spectrum = np.zeros(64, complex)
    spectrum[N64.bins] = np.exp(2j * np.pi * rng.random(52))
    probe = np.tile(np.fft.ifft(spectrum, norm="ortho").astype(np.complex64), 3)
    seeds = 700 if "rayleigh" in name or "tdl" in name or name in ("rician", "shadowing") else 20
    powers, parsed = [], parse("")
    for seed in range(seeds):
        parsed = parse(MODELS[name], seed)
        received = Chain(parsed.models).process(probe)[-64:]
        powers.append(np.mean(np.abs(np.fft.fft(received, norm="ortho")[N64.bins]) ** 2))
    assert np.mean(powers) == pytest.approx(parsed.subcarrier_power, rel=0.12)


def test_noise_parts_the_chain() -> None:
    parsed = parse("clock_offset(ppm=20),\n noise(), quantise(bits=12),")
    assert [type(m) for m in parsed.before.models] == [ClockOffset]
    assert [type(m) for m in parsed.after.models] == [Quantise]
    assert [type(m) for m in parse("quantise()").before.models] == [Quantise]
    assert parse("").models == parse("  ").models == [] and parse("").subcarrier_power == 1.0


def test_every_random_model_has_its_own_seed() -> None:
    first, second = parse("rayleigh(doppler_hz=0), rayleigh(doppler_hz=0)").models
    ones = np.ones(4, np.complex64)
    other = parse("rayleigh(doppler_hz=0)", seed=2).models[0]
    gains = {complex(model.process(ones)[0]) for model in (first, second, other)}
    assert len(gains) == 3
    assert complex(parse("rayleigh(doppler_hz=0)").models[0].process(ones)[0]) in gains


def test_levels_refer_to_the_signal_of_the_numerology() -> None:
    (clip,) = parse("clip(backoff_db=0)").models
    assert clip.level == pytest.approx(np.sqrt(52 / 64))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text, words",
    [
        ("awgn()", "'awgn' is unknown; use one of carrier_offset, clip"),
        ("tdl_c(speed=1)", r"tdl_c\(\) has no parameter 'speed'; its parameters are: delay_spread_ns, doppler_hz"),
        ("tdl_c(300)", "takes its parameters by name"),
        ("tdl_c(**{})", "no parameter"),
        ("noise(snr_db=3)", r"noise\(\) has no parameter 'snr_db'; its parameters are: none"),
        ("noise(), noise()", "stands twice"),
        ("tdl_c", "'tdl_c' is no call"),
        ("a=1", "cannot be read"),
        ("1 + 2", "is no call"),
        ("tdl_c(", "cannot be read"),
        ("), (", "cannot be read"),
        ("clip()) + (1", "cannot be read"),
        ("tdl_c(doppler_hz=__import__('os').system('true'))", "plain number"),
        ("os.system('true')", "is no call"),
        ("tdl_c(doppler_hz='5')", "doppler_hz of .* is '5'; use a number"),
        ("tdl_c(doppler_hz=True)", "use a number"),
        ("tdl_c(doppler_hz=None)", "use a number"),
        ("tdl_c(doppler_hz=1e999)", "use a number"),
        ("quantise(bits=1.5)", "use a whole number"),
        ("measured(file=3)", "use text in quotes"),
        ("measured()", r"measured\(\) needs file"),
        ("measured(file='x.npz', frequency_scaled=1)", "True or False"),
        ("measured(file='none.npz')", "cannot be found"),
        ("multipath(taps=1)", "a list of numbers"),
        ("multipath(taps=[])", "taps have to be"),
        ("multipath(taps=['a'])", "taps have to be"),
        ("multipath(taps=[1e39])", "taps have to be"),
        ("multipath(taps=[0])", "taps have a power of 0; use 1e-20 to"),
        ("multipath(taps=[1e30, 1e30])", r"taps have a power of 2e\+60"),
        (f"delay(samples={10**400})", "the delay is 1000"),
        ("clock_offset(ppm=1e6)", "ppm is"),
        ("\0", "cannot be read"),
        ("clip(backoff_db=1, backoff_db=2)", "gives backoff_db twice"),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ChannelError, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="tdl_c()=,[]'\"1.ej #\n{}*:lambda", max_size=30))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_text_makes_anything_but_a_chain_or_a_channel_error(text: str) -> None:
    try:
        parse(text)
    except ChannelError:
        pass


def test_bank_of_gains_has_the_statistics_of_the_channel() -> None:
    flat = power_gains("rayleigh(doppler_hz=0)", N64, 1500, 1)
    assert flat.dtype == np.float32 and flat.shape == (1500, 48)
    assert np.allclose(flat, flat[:, :1], rtol=1e-3)
    assert flat.mean() == pytest.approx(1.0, abs=0.1)
    assert np.mean(flat[:, 0] < 0.5) == pytest.approx(1 - np.exp(-0.5), abs=0.05)
    assert np.array_equal(flat[:5], power_gains("rayleigh(doppler_hz=0)", N64, 5, 1))
    selective = power_gains("tdl_c(delay_spread_ns=1000, doppler_hz=0)", N64, 300, 1)
    assert np.corrcoef(selective[:, 0], selective[:, 40])[0, 1] < 0.4
    assert np.corrcoef(selective[:, 0], selective[:, 1])[0, 1] > 0.9
    assert power_gains("multipath(taps=[1, 1])", N64, 1, 1).mean() == pytest.approx(1.0, abs=0.05)


def test_bank_of_gains_refuses_a_channel_that_swallows_the_probe() -> None:
    with pytest.raises(ChannelError, match="no signal within"):
        power_gains("delay(samples=5000)", N64, 1, 1)
