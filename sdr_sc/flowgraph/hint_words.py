# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis in one sentence: the cause with its value, what to do about it, and how certain it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sdr_sc.diagnosis import Cause, Diagnosis
from sdr_sc.phy.numerology import Numerology
from sdr_sc.phy.receive.sync import CFO_RANGE_SUBCARRIERS, MOST_CFO_RANGE_SUBCARRIERS

_WHOLE = 1e-3
MAX_DECIMATION = 64


class Source(Enum):
    """Where a receiver's samples come from."""

    RADIO = "a radio"
    CHANNEL = "a simulated channel in the same flowgraph"
    RECORDING = "a file"
    OTHER = "not known"


@dataclass(frozen=True)
class Situation:
    """Where a receiver runs, for the remedy's words.

    Attributes:
        verb: ``rx``, ``replay`` or ``run``.
        source: of the samples.
        freq_hz: centre frequency; 0 where it is not known.
        tune_hz, decimation: that a replay applies already.
    """

    verb: str = "run"
    source: Source = Source.OTHER
    freq_hz: float = 0.0
    tune_hz: float = 0.0
    decimation: int = 1


def hint(found: Diagnosis, n: Numerology, where: Situation) -> str:
    """The sentence; '' where nothing is known.

    Args:
        found: the diagnosis.
        n: the receiver's numerology, with the rate of the samples.
        where: what the user runs.
    """
    words = _WORDS.get(found.cause)
    if words is None:
        return ""
    cause, remedy = words(found, n, where)
    if not found.proven:
        return f"it may be that {cause}; {remedy}."
    if found.cause is Cause.NUMEROLOGY:
        return f"{cause}; {remedy} ({_numerology_proof(found)})."
    frames = "a frame is" if found.frames == 1 else f"{found.frames} frames are"
    return f"{cause}; {remedy} ({frames} found when that is taken into account)."


def _numerology_proof(found: Diagnosis) -> str:
    return "headers are read with these sizes" if found.frames else "the training symbols of that size are there"


def _hz(value: float, sign: bool = True) -> str:
    for limit, unit in ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz")):
        if abs(value) >= limit:
            return f"{value / limit:{'+' if sign else ''}.4g} {unit}"
    return f"{value:{'+' if sign else ''}.3g} Hz"


def _offset_hz(found: Diagnosis, n: Numerology) -> float:
    return found.offset * n.sample_rate_hz


def _offset(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    offset_hz = _offset_hz(found, n)
    share = ""
    if where.freq_hz:
        share = f", {abs(offset_hz) / where.freq_hz * 1e6:.1f} ppm at {_hz(where.freq_hz, sign=False)}"
    subcarriers = offset_hz / n.subcarrier_spacing_hz
    range_hz = _hz(CFO_RANGE_SUBCARRIERS * n.subcarrier_spacing_hz, sign=False)
    cause = (
        f"the carrier offset is about {_hz(offset_hz)} ({subcarriers:+.1f} subcarriers{share}), and the receiver's "
        f"range is +-{CFO_RANGE_SUBCARRIERS:g} subcarriers ({range_hz})"
    )
    remedy = _tuning(offset_hz, where)
    if where.verb in ("rx", "replay") and abs(subcarriers) < MOST_CFO_RANGE_SUBCARRIERS:
        remedy += f"{' or' if remedy.startswith('give') else ', or give'} --cfo-range {MOST_CFO_RANGE_SUBCARRIERS:g}"
    return cause, remedy


def _tuning(offset_hz: float, where: Situation) -> str:
    if where.source is Source.CHANNEL:
        return f"correct the simulated channel (its cfo_hz or models) by {_hz(-offset_hz)}"
    if where.verb == "replay":
        return f"give --tune-hz {where.tune_hz + offset_hz:.0f}"
    if where.verb == "rx" and where.freq_hz:
        return f"correct the frequency of either end, here by --freq {where.freq_hz + offset_hz:.10g}"
    return f"correct the frequency of either end by {_hz(-offset_hz)}"


def _inverted(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    offset_hz = _offset_hz(found, n)
    besides = ""
    if abs(offset_hz) > 2 * n.subcarrier_spacing_hz / found.ratio:
        besides += f", with a carrier offset of about {_hz(offset_hz)}"
    if abs(found.ratio - 1.0) > 0.01:
        besides += f", at {_rate(found, n)}"
    cause = f"the spectrum is inverted (I and Q are exchanged, or one of them has the wrong sign){besides}"
    if where.source is Source.CHANNEL:
        return cause, _MODELS
    if where.verb in ("rx", "replay"):
        return cause, "give --swap-iq, or leave it out where it was given"
    return cause, "exchange I and Q where the samples come from"


def _rate(found: Diagnosis, n: Numerology) -> str:
    return f"{n.sample_rate_hz / found.ratio / 1e6:.5g} MS/s"


def _other_rate(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    own = f"{n.sample_rate_hz / 1e6:.5g} MS/s"
    cause = f"the signal was sent at {_rate(found, n)} and the receiver takes it for one of {own}"
    return cause, _rate_remedy(found, n, where)


def _rate_remedy(found: Diagnosis, n: Numerology, where: Situation) -> str:
    rate_hz = n.sample_rate_hz / found.ratio
    factor = round(found.ratio)
    total = factor * where.decimation
    if where.verb == "replay":
        if abs(found.ratio / factor - 1.0) < _WHOLE and 1 < total <= MAX_DECIMATION:
            return f"give --decimate {total}"
        if found.ratio < 1.0 and where.decimation > 1:
            return "give a lower --decimate"
        return f"record at {rate_hz:.10g} samples/s, or at a multiple of it, which --decimate brings down"
    if where.verb == "rx":
        return f"give --rate {_round_rate(rate_hz):.10g}, or the transmitter --rate {n.sample_rate_hz:.10g}"
    return "give both ends the same sample rate"


def _round_rate(rate_hz: float) -> float:
    """A rate as a user would have typed it: measured rates are exact to about 1e-4."""
    rounded = float(f"{rate_hz:.4g}")
    return rounded if abs(rounded / rate_hz - 1.0) < _WHOLE else rate_hz


def _off_centre(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    offset_hz, own = _offset_hz(found, n), f"{n.sample_rate_hz / 1e6:.5g} MS/s"
    cause = f"the signal has {_rate(found, n)} and lies {_hz(offset_hz)} from the centre of a capture at {own}"
    if where.verb == "rx" and where.freq_hz:
        rate_hz = _round_rate(n.sample_rate_hz / found.ratio)
        return cause, f"give --freq {where.freq_hz + offset_hz:.10g} and --rate {rate_hz:.10g}"
    if where.verb == "replay":
        return cause, f"{_tuning(offset_hz, where)}, and {_rate_remedy(found, n, where).removeprefix('give ')}"
    return cause, f"shift it to the centre and {_rate_remedy(found, n, where)}"


def _numerology(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    if not found.numerology:
        return (
            "the preamble is this receiver's and no header after it can be read",
            "compare cyclic_prefix, pilot_subcarriers and header_symbols of both ends' numerology, and their versions",
        )
    return numerology_cause(found.numerology, n), "give both ends the same numerology"


def numerology_cause(other: dict[str, int], n: Numerology) -> str:
    """What differs between frames and the receiver's numerology."""
    theirs = ", ".join(f"{name} {value}" for name, value in other.items())
    ours = ", ".join(str(getattr(n, name)) for name in other)
    return f"the frames are made with another numerology: {theirs}, where the receiver has {ours}"


def _other_ofdm(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    size, prefix = found.ofdm
    own = f"{n.fft_size} and {n.cyclic_prefix}"
    cause = (
        f"these are OFDM symbols of another system: about {size} samples and a cyclic prefix of {prefix}, without this "
        f"receiver's preamble (it expects {own})"
    )
    compare = "compare rate and numerology of both ends"
    return cause, compare if where.source is Source.CHANNEL else f"change the frequency, or {compare}"


def _level(where: Situation) -> str:
    """What to do about too little signal."""
    return {
        Source.RADIO: "check frequency, gains, antennas and cable at both ends",
        Source.CHANNEL: "raise the SNR of the simulated channel, or look at its models",
        Source.RECORDING: "check what was recorded: frequency, gains, antennas and cable of both ends there",
        Source.OTHER: "check level and frequency of what the receiver gets",
    }[where.source]


def _empty(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    remedy = {
        Source.RADIO: "check device and antenna port",
        Source.CHANNEL: "check the flowgraph between transmitter and receiver",
        Source.RECORDING: "check the file",
        Source.OTHER: "check where the samples come from",
    }[where.source]
    return "the source gives nothing but zeros", remedy


def _clipped(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    cause = f"the level is too high: {100 * found.share:.0f} % of the loud samples sit at the limit"
    return cause, _MODELS if where.source is Source.CHANNEL else "lower the gain, or add attenuation"


def _carrier(found: Diagnosis, n: Numerology, where: Situation) -> tuple[str, str]:
    cause = f"there is nothing but a steady carrier at {_hz(_offset_hz(found, n))} from the centre"
    if where.source is Source.CHANNEL:
        return cause, _MODELS
    return cause, f"it may be the receiver's own; {_level(where)}"


_MODELS = "look at the models of the simulated channel"
_WORDS: dict[Cause, Callable[[Diagnosis, Numerology, Situation], tuple[str, str]]] = {
    Cause.OFFSET: _offset,
    Cause.INVERTED: _inverted,
    Cause.RATE: _other_rate,
    Cause.OFF_CENTRE: _off_centre,
    Cause.NUMEROLOGY: _numerology,
    Cause.OTHER_OFDM: _other_ofdm,
    Cause.EMPTY: _empty,
    Cause.NOISE: lambda found, n, where: ("there is noise alone, or a signal that it covers", _level(where)),
    Cause.TOO_SHORT: lambda found, n, where: (
        "the samples end before the first frame's header does",
        "take a longer part",
    ),
    Cause.WEAK: lambda found, n, where: (f"the signal is too weak, about {found.snr_db:.0f} dB", _level(where)),
    Cause.CLIPPED: _clipped,
    Cause.CARRIER: _carrier,
}
