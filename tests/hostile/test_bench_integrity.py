# SPDX-License-Identifier: GPL-3.0-or-later
"""`sdr-sc bench integrity`: it finds what it looks for, and finds nothing in the files of this version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdr_sc.bench.hardening.integrity import bench_integrity, try_kind
from sdr_sc.bench.hardening.integrity_files import Kind
from sdr_sc.errors import SdrScError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_readers_without_checksums_are_found(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_bytes(bytes(range(200)))

    def trusting() -> dict[str, str]:
        return {"content": path.read_bytes().hex()}

    def careless() -> dict[str, str]:
        return {
            "content": path.read_text(encoding="ascii", errors="strict")[:0] or str(1 / (path.read_bytes()[0] == 0))
        }

    def refusing() -> dict[str, str]:
        if path.read_bytes() != bytes(range(200)):
            raise SdrScError("damaged.")
        return {}

    rng = np.random.default_rng(1)
    found = try_kind(Kind("trusting", 20, (path,), trusting), 20, rng)
    assert (found.other_figures, found.tries, len(found.examples)) == (20, 20, 5)
    path.write_bytes(bytes(100))
    found = try_kind(Kind("careless", 40, (path,), careless), 40, rng)
    assert found.crashed > 0 and found.crashed + found.without_effect == 40
    path.write_bytes(bytes(range(200)))
    assert try_kind(Kind("refusing", 20, (path,), refusing), 20, rng).refused == 20
    assert path.read_bytes() == bytes(range(200))


@pytest.mark.timeout(900)
def test_no_changed_bit_gives_other_figures() -> None:
    rows = {row.name: row for row in bench_integrity(quick=True, seed=7)}
    assert len(rows) == 44
    for row in rows.values():
        assert row.ok in (None, True), row
    assert rows["one changed bit, all kinds: refused"].n == 500
    assert rows["one changed bit, all kinds: refused"].value > 70
