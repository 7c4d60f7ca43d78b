# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of front-end faults: its figures are those of the frames that it receives."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_sc.bench.phy import front_end, offset_range
from sdr_sc.bench.phy.front_end import FAULTS, Fault, payload_rows, snr_rows


def test_rows_of_known_results() -> None:
    results = [front_end._Result(snr_db, 0.01, 0.0125, 1.25) for snr_db in (18.0, 20.0, 22.0)]
    received, reported, loss = front_end._snr_rows("fault", 20.0, 4, results)
    assert (received.value, reported.value) == (75.0, pytest.approx(0.0))
    assert reported.ok and loss.value == pytest.approx(20 + 10 * np.log10(0.0125))
    missed = front_end._snr_rows("fault", 20.0, 4, [front_end._Result(21.5, 0.01, 0.01, 1.0)] * 2)[1]
    assert missed.value == pytest.approx(1.5) and missed.ok is False
    assert front_end._snr_rows("fault", 20.0, 4, [])[1].ok is False


def test_a_fault_reaches_the_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the front end's corrections, a DC offset does cost what the bench would report."""
    fault = Fault("DC", "", "dc_offset(relative_db=0)", 5e3)
    good = front_end._receive(12, 30.0, fault, 1)
    monkeypatch.setattr("sdr_sc.phy.receive.front_end.FrontEnd.process", lambda self, samples: None)
    bad = front_end._receive(12, 30.0, fault, 1)
    assert np.mean([each.error for each in good]) < 1.5e-3 < 0.1 < np.mean([each.error for each in bad])


def test_every_row_has_its_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_end, "FAULTS", FAULTS[:1])
    rows = snr_rows(True, 1, lambda text: None) + payload_rows(True, 1, lambda text: None)
    assert [row.ok for row in rows if row.goal] == 8 * [True]


def test_offsets_beyond_the_range_are_not_counted_as_received() -> None:
    assert offset_range._right(10, 20.0, 8.0, 1) == 10
    assert offset_range._right(10, -20.0, 8.0, 1) == 0
