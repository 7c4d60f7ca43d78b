# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends with one base, measured over the air on few items with the shipped student of pictures and texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sdr_sc.cli.shared.evidence.both_ends import both_ends
from sdr_sc.data.catalogue import load_dataset
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.knowledge.both_ends import content, measure
from sdr_sc.evidence.knowledge.both_ends.content import HALF, NEAR, NEW, REPEATED, base_vectors, contents
from sdr_sc.results.rows import read_measurements

EMOJI = "wordnet+noto_emoji+easy_vqa,only=noto_emoji"


def test_contents_hold_what_their_names_say() -> None:
    test, train = (load_dataset(EMOJI, part) for part in ("test", "train"))
    found = {one.name: one for one in contents(test, 400, 1)}
    assert list(found) == [REPEATED, NEAR, NEW, HALF]
    things = test.targets("retrieval", np.arange(len(test)))
    known = {things[place] for place in found[REPEATED].known.tolist()}
    assert len(known) == content.THINGS and {*found[REPEATED].places} == {*found[REPEATED].known}
    assert {things[place] for place in found[NEAR].places.tolist()} == known
    assert not {*found[NEAR].places} & {*found[NEAR].known}
    assert not {things[place] for place in found[NEW].places.tolist()} & known and not len(found[NEW].known)
    is_known = np.isin(found[HALF].places, found[HALF].known)
    assert 0.4 < is_known.mean() < 0.6

    def vectors_of(items: np.ndarray) -> np.ndarray:
        return items[:, :4].astype(np.float32)

    assert len(base_vectors(found[NEAR], 150, test, train, vectors_of, 1)) == 150
    with pytest.raises(SdrScError, match="smaller"):
        base_vectors(found[NEW], 100_000, test, train, vectors_of, 1)


def test_repeated_items_cost_less_and_every_control_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(content, "THINGS", 20)
    monkeypatch.setattr(measure, "CONTROLS", 60)
    monkeypatch.setattr(measure, "RIVAL_ITEMS", 300)
    path = tmp_path / "both.json"
    arguments = ["--snr-db", "10", "--k", "16,32", "--sizes", "60", "--sends", "60", "--json", str(path)]
    result = CliRunner().invoke(both_ends, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    value = {row["name"]: row["value"] for row in read_measurements(path)["rows"]}

    def of(what: str, metric: str) -> float:
        return value[f"{what}: {metric}; 10 dB"]

    ours, symbols = f"{REPEATED}, base of 60", "payload symbols an item"
    assert of(ours, "sent by entry") == 100 and of(ours, symbols) < 4
    assert of(ours, f"fewer {symbols} than features alone of its quality") > 70
    assert abs(of(ours, "classification") - of(f"{REPEATED}, features alone, k=32", "classification")) < 10
    other = f"{ours}, entries in another order at the receiver"
    assert of(other, "classification") < of(ours, "classification") - 20
    assert of(f"{ours}, another version at the receiver, not known", "items of frames not read") == 100
    known = f"{ours}, another version at the receiver, known"
    assert of(known, symbols) >= 16 and of(known, "items lost") == 0 == of(known, "sent by entry")
    new = f"{NEW}, base of 60"
    assert of(new, "sent by entry") < 60
    power = [number for name, number in value.items() if name.startswith(ours) and "mean payload power" in name]
    assert power and max(map(abs, power)) < 0.5
    assert of(f"{HALF}, base of 60", symbols) < of(new, symbols)
    assert any(name.startswith("an entry that differs by so much, the entry") for name in value)
    assert f"{REPEATED}, the entry's number, coded: R@1; 10 dB" in value
