# SPDX-License-Identifier: GPL-3.0-or-later
"""How often `sdr_sc.diagnosis` names why nothing is received, how often something else, and what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from sdr_sc.bench.phy.faulty_signals import FOREIGN, faulty, is_right, noisy, resampled
from sdr_sc.bench.phy.recordings import SHARED_DATA, WIFI_CAPTURES
from sdr_sc.bench.phy.wifi import CAPTURES, read_ci16
from sdr_sc.diagnosis import LONGEST, Cause, Diagnosis, diagnose
from sdr_sc.phy.numerology import Numerology
from sdr_sc.results.rows import Row, wilson_interval

Log = Callable[[str], None]
SNRS_DB = (5.0, 10.0, 20.0, 30.0)
CAUSES = (Cause.OFFSET, Cause.INVERTED, Cause.RATE, Cause.OFF_CENTRE, Cause.NUMEROLOGY)
_GOAL_FROM_DB = 10.0
_RIGHT_GOAL, _WRONG_GOAL = 95.0, 1.0
_WIFI_RATIOS = ("1", "1/2", "2/3", "5/4", "2", "12/5", "4")


def bench_diagnosis(quick: bool, seed: int, log: Log) -> list[Row]:
    """All rows.

    Args:
        quick: a fifth of the signals.
        seed: of everything random.
        log: called with what is measured next.
    """
    tries = 10 if quick else 50
    return [
        *_fault_rows(tries, seed, log),
        *_foreign_rows(tries, seed, log),
        *_wifi_rows(log),
        *_time_rows(quick, seed),
    ]


def _share(name: str, hits: int, tries: int, goal: float | None = None, least: bool = True) -> Row:
    low, high = wilson_interval(hits, tries)
    value, interval = 100 * hits / tries, (100 * low, 100 * high)
    if goal is None:
        return Row(name, value, "%", n=tries, ci95=interval)
    make = Row.at_least if least else Row.at_most
    return make(name, value, "%", goal, tries, interval)


def _fault_rows(tries: int, seed: int, log: Log) -> list[Row]:
    own, rows, wrong, total = Numerology(), [], 0, 0
    for cause in CAUSES:
        for snr_db in SNRS_DB:
            log(f"{cause.value}, {snr_db:g} dB")
            rng = np.random.default_rng([seed, list(Cause).index(cause), round(snr_db)])
            right = 0
            for _ in range(tries):
                case = faulty(cause, snr_db, rng, own)
                found = diagnose(case.samples, own)
                is_named = is_right(found, case.truth, own)
                right += is_named
                wrong += not is_named and found.cause is not Cause.UNKNOWN
                total += 1
            goal = _RIGHT_GOAL if snr_db >= _GOAL_FROM_DB else None
            rows.append(_share(f"{cause.value}, {snr_db:g} dB: named with its value", right, tries, goal))
    rows.append(_share("frames with a fault: another cause named, or another value", wrong, total, _WRONG_GOAL, False))
    return rows


def _foreign_rows(tries: int, seed: int, log: Log) -> list[Row]:
    own, rows, proven, wrong, total = Numerology(), [], 0, 0, 0
    for number, (name, (make, fitting)) in enumerate(FOREIGN.items()):
        log(f"no frames: {name}")
        rng = np.random.default_rng([seed, 100 + number])
        named = 0
        for _ in range(tries):
            snr_db = float(rng.uniform(0.0, 30.0))
            found = diagnose(noisy(make(rng), 10 ** (-snr_db / 10), rng), own)
            proven += found.proven
            named += found.cause in fitting
            wrong += found.cause not in (*fitting, Cause.UNKNOWN)
            total += 1
        if fitting:
            rows.append(_share(f"no frames, {name}, 0 to 30 dB: named", named, tries))
    rows.append(Row.at_most("no frames: a cause that counts as proven", proven, "", 0, total))
    rows.append(_share("no frames: a cause that does not fit", wrong, total, _WRONG_GOAL, False))
    return rows


def _wifi_rows(log: Log) -> list[Row]:
    """Recorded 802.11 packets, as they are and at other rates; left out where the captures are not there."""
    found: list[Diagnosis] = []
    for name in CAPTURES:
        path = SHARED_DATA / WIFI_CAPTURES / f"{name}.ci16"
        if not path.is_file():
            continue
        log(f"no frames: {name}")
        samples = read_ci16(path)
        found += [diagnose(resampled(samples, Fraction(ratio)), Numerology()) for ratio in _WIFI_RATIOS]
    if not found:
        return []
    fitting = (Cause.OTHER_OFDM, Cause.UNKNOWN)
    return [
        Row.at_most("recorded 802.11 at seven rates: a cause that counts as proven", sum(each.proven for each in found),
                    "", 0, len(found)),
        Row.at_most("recorded 802.11 at seven rates: a cause that does not fit",
                    sum(each.cause not in fitting for each in found), "", 0, len(found)),
    ]  # fmt: skip


def _time_rows(quick: bool, seed: int) -> list[Row]:
    """Time of the processor for the longest stretch: noise, packets of another system, frames in a wide capture."""
    rng = np.random.default_rng([seed, 200])
    noise = noisy(np.zeros(LONGEST), 1.0, rng)
    packets = noisy(np.resize(FOREIGN["packets in the shape of 802.11a"][0](rng), LONGEST), 0.01, rng)
    wide = np.resize(faulty(Cause.OFF_CENTRE, 20.0, rng, Numerology()).samples, LONGEST)
    rows = []
    for name, samples in (("noise", noise), ("packets of 802.11a", packets), ("off the centre", wide)):
        took = []
        for _ in range(2 if quick else 5):
            begin = time.process_time()
            diagnose(samples, Numerology())
            took.append(time.process_time() - begin)
        rows.append(Row(f"processor's time for {LONGEST} samples, {name}", float(np.median(took)), "s", n=len(took)))
    return rows
