# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions and thumbnails through the physical layer, beside the prior and controls that know less."""

from __future__ import annotations

import numpy as np
import pytest
import toy_pictures
import toy_texts
from click.testing import CliRunner

from sdr_sc.cli.shared.bench_multitask import multitask
from sdr_sc.errors import SdrScError
from sdr_sc.evidence.multitask.measure import Setting
from sdr_sc.evidence.pictures.asked import Asked, bench_asked
from sdr_sc.results.rows import Row

toy_pictures.register()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(toy_pictures.make_model(tmp_path_factory.mktemp("toy")))


@pytest.fixture(scope="module")
def rows(model: str) -> dict[str, Row]:
    train, test = toy_pictures.load("train"), toy_pictures.load("test")
    setting = Setting(model, train, test, None, [15.0], [4, 16], 1)
    return {row.name: row for row in bench_asked(setting, False, lambda what: None)}


def test_the_answer_needs_the_picture_that_was_sent(rows: dict[str, Row]) -> None:
    own, prior = rows["15 dB; ours, k=16; question"], rows["the question alone; question"]
    assert own.n == prior.n == 3 * toy_pictures.PICTURES
    train, test = toy_pictures.load("train"), toy_pictures.load("test")
    wanted = 100 * np.mean(train.prior()[test.question_of] == test.answers)
    assert prior.value == pytest.approx(wanted) and 40 < prior.value < 65
    assert own.value > 90 and own.ci95[0] > prior.ci95[1]
    for control in ("of another picture", "of nothing received"):
        assert rows[f"15 dB; ours, k=16; question, {control}"].value < prior.value + 15, control


def test_the_thumbnail_is_of_the_picture_that_was_sent(rows: dict[str, Row]) -> None:
    name = "15 dB; ours, k=16; reconstruction"
    own, other = rows[f"{name}: PSNR"], rows[f"{name}, of another picture: PSNR"]
    assert own.unit == "dB" and own.value > other.value + 3 and own.ci95[0] > other.ci95[1]
    assert own.value > rows[f"{name}, of nothing received: PSNR"].value + 1
    assert rows["15 dB; ours, k=4; payload symbols an item"].value == 4
    assert rows["15 dB; one answer, its question known beforehand, coded; question"].value > 85


def test_another_data_set_is_refused_and_the_command_takes_it(model: str) -> None:
    with pytest.raises(SdrScError, match="answers questions with 5 answers, and the data set asks none that have"):
        Asked.of(model, toy_texts.load("test"), np.arange(3))
    options = ["--data-set", toy_pictures.NAME, "--snr-db", "15", "--k", "4", "--quick"]
    done = CliRunner().invoke(multitask, [model, *options])
    assert done.exit_code == 0 and "reconstruction, of another picture: PSNR" in done.output, done.output
