# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole link without GNU Radio, and the commands that measure it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line_error, sdr_sc

from sdr_sc.cli.main import main
from sdr_sc.data import fashion_mnist
from sdr_sc.data.dataset import ImageSet
from sdr_sc.demo.cam_response import find_steps, fitting_k
from sdr_sc.phy.numerology import Numerology
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.semantic import weights
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder


@pytest.fixture(scope="module")
def scheme() -> ModelScheme:
    return ModelScheme(SemanticEncoder(), SemanticDecoder())


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return fashion_mnist.load("test").first(2000)


@pytest.mark.parametrize("snr_db, accuracy", [(20.0, 0.91), (0.0, 0.88)])
def test_accuracy_with_16_symbols(scheme: ModelScheme, data: ImageSet, snr_db: float, accuracy: float) -> None:
    result = run_scheme(scheme, data.images, data.labels, None, snr_db, 16, Numerology())
    assert result.correct / result.items >= accuracy
    assert result.frames_false == 0
    assert result.channel_uses == 16 * len(data)


def test_wide_numerology_carries_the_same(scheme: ModelScheme, data: ImageSet) -> None:
    wide = Numerology(fft_size=512, cyclic_prefix=64, data_subcarriers=400, pilot_subcarriers=16, header_symbols=2)
    result = run_scheme(scheme, data.images[:500], data.labels[:500], None, 15.0, 8, wide)
    assert result.frames_lost == 0
    assert result.correct / result.items > 0.9


def test_lost_frames_count_as_lost_and_wrong(scheme: ModelScheme, data: ImageSet) -> None:
    result = run_scheme(scheme, data.images[:200], data.labels[:200], None, -20.0, 16, Numerology())
    assert result.frames_lost == result.frames == 4
    assert (result.lost, result.correct) == (200, 0)


def test_cam_spends_more_on_a_bad_channel(scheme: ModelScheme, data: ImageSet) -> None:
    uses = [
        run_scheme(scheme, data.images[:500], data.labels[:500], None, snr_db, None, Numerology()).channel_uses
        for snr_db in (0.0, 20.0)
    ]
    assert uses[0] > 2 * uses[1]


def test_steps_are_found_and_timed() -> None:
    table = weights.read_contract(weights.DEFAULT_MODEL).cam
    snr = [25.0] * 5 + [0.0] * 5 + [25.0] * 5
    steps = find_steps(snr, [2] * 6 + [16] * 4 + [32] * 2 + [2] * 3, table)
    assert [(s.frame_index, s.frames) for s in steps] == [(5, 1), (10, 2)]
    assert find_steps(snr, [2] * 15, table)[0].frames is None
    assert fitting_k(table, 25.0, 1.0) == {2}
    assert 2 not in fitting_k(table, 0.0, 1.0)


def test_evaluate_writes_the_agreed_shape(tmp_path: Path) -> None:
    path = tmp_path / "evaluate.json"
    result = sdr_sc("evaluate", "--images", "400", "--snr", "20", "--k", "16,cam", "--json", str(path))
    assert result.returncode == 0, result.stderr
    written = json.loads(path.read_text())
    assert {"command", "git", "machine", "rows"} <= set(written)
    rows = {row["name"]: row for row in written["rows"]}
    accuracy = rows["accuracy, AWGN 20 dB, k=16"]
    assert set(accuracy) == {"name", "value", "unit", "goal", "ok", "n", "ci95"}
    assert accuracy["ok"] is True and accuracy["n"] == 400
    assert np.diff(accuracy["ci95"]) > 0


def test_evaluate_fails_when_a_goal_of_the_shipped_model_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for goal, status, verdict in ((101.0, 1, "NO"), (1.0, 0, "yes")):
        monkeypatch.setattr("sdr_sc.bench.evaluate.ACCURACY_GOALS", {(20.0, 16): goal})
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", "--images", "100", "--snr", "20", "--k", "16"])
        told = capsys.readouterr().out
        assert (stop.value.code or 0) == status and f">= {goal:g} %" in told and verdict in told


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--k", "5"), "k=5 is not in the list"),
        (("--model", "none_such"), "neither a file nor a shipped model"),
        (("--images", "10001"), "10001 items"),
        (("--seed", "-1"), "--seed"),
        (("--threads", "0"), "--threads"),
        (("--snr", "nan"), "--snr"),
        (("--json", "/proc/none/result.json"), "cannot be written"),
    ],
)
def test_evaluate_reports_a_mistake_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    result = sdr_sc("evaluate", *arguments)
    if words.startswith("--"):  # click's own usage error
        assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr
    else:
        assert_one_line_error(result, words)


def test_missing_data_set_is_one_line(tmp_path: Path) -> None:
    result = sdr_sc("evaluate", "--quick", SDR_SC_FASHION_MNIST=str(tmp_path))
    assert_one_line_error(result, "apt-get install dataset-fashion-mnist")
