# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/own-model-and-data.md, followed from a clean folder: from arrays to a student over the air, by its commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from colour_images import colour_set, write_cifar
from command import ROOT, assert_one_line_error, sdr_sc
from usrp_ends import Ends

from sdr_sc.semantic import weights

DISTILL = (
    "distill",
    "--labels-only",
    "--validation-items",
    100,
    "--batch-items",
    50,
    "--k-list",
    "4,16",
    "--threads",
    1,
)


def run(folder: Path, *arguments: object, **environment: str) -> str:
    done = sdr_sc(*arguments, cwd=folder, timeout_s=600, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with CIFAR-shaped files, and a student that was distilled from them."""
    folder = tmp_path_factory.mktemp("lab")
    write_cifar(folder, seed=1, per_batch=200)
    run(folder, *DISTILL, "--data-set", "cifar-10-batches-py", "--epochs", 12, "--out", "colours.safetensors")
    return folder


def test_the_contract_names_the_data(lab: Path) -> None:
    contract = weights.read_contract(lab / "colours.safetensors")
    assert contract.item_shape == (3, 32, 32) and contract.data_set == "CIFAR-10, training split"
    assert contract.class_names[3] == "class 3" and len(contract.data_set_sha256) == 64


def test_it_is_measured_on_its_own_test_split(lab: Path) -> None:
    arguments = ("evaluate", "--model", "colours.safetensors", "--data-set", "cifar-10-batches-py", "--snr", "20")
    said = run(lab, *arguments, "--json", "figures.json")
    rows = {row["name"]: row["value"] for row in json.loads((lab / "figures.json").read_text())["rows"]}
    assert rows["accuracy, AWGN 20 dB, k=16"] > 40.0  # chance is 10 %
    assert "warning" not in said


def test_it_goes_through_the_flowgraph_into_a_report(lab: Path) -> None:
    arguments = ("demo", "--model", "colours.safetensors", "--data-set", "cifar-10-batches-py", "--images", 60)
    said = run(lab, *arguments, "--out", "runs")
    (folder,) = (lab / "runs").iterdir()
    page = (folder / "report.html").read_text()
    assert "report: " in said and "class 3" in page and "data:image/png" in page
    with np.load(folder / "images.npz") as archive:
        images, places = archive["images"], archive["item_id"]
    sent, _, _ = colour_set(200, seed=6)  # the test batch
    assert np.array_equal(images, sent[places].transpose(0, 3, 1, 2))


def test_it_goes_over_the_air_and_through_a_sweep(lab: Path, tmp_path: Path) -> None:
    model, data_set = lab / "colours.safetensors", lab / "cifar-10-batches-py"
    with Ends(tmp_path, "step") as ends:
        rx = ends.start("rx", "--model", model)
        tx = ends.start("tx", "--model", model, "--data-set", data_set, "--images", 40, "--feedback-timeout", 20)
        assert ends.wait(tx) == 0 and ends.wait(rx) == 0
        accounting = ends.summary("rx")["accounting"]
        assert accounting["items_sent"] == 40 and accounting["items_correct"] > 12
    study = tmp_path / "study.yaml"
    study.write_text(
        f"schemes: [{{scheme: ours, model: {model}}}]\nsnr_db: [20]\nk: [16]\nitems: 100\ndata_set: {data_set}\n"
    )
    run(tmp_path, "sweep", study, "--out", "study.parquet", "--workers", 1)
    run(tmp_path, "report", "study.parquet")


def test_a_network_of_ones_own_as_the_page_shows_it(lab: Path) -> None:
    page = (ROOT / "docs" / "own-model-and-data.md").read_text()
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Encoder" in one)
    (lab / "my_lab").mkdir()
    (lab / "my_lab" / "__init__.py").write_text("")
    (lab / "my_lab" / "coder.py").write_text(code)
    data = ("--data-set", "cifar-10-batches-py")
    run(lab, *DISTILL, *data, "--encoder", "my_lab.coder:Encoder", "--epochs", 1, "--out", "own.safetensors")
    evaluate = ("evaluate", *data, "--snr", "20", "--k", "16", "--images", 50, "--model")
    unasked = sdr_sc(*evaluate, "own.safetensors", cwd=lab)
    assert_one_line_error(unasked, "SDR_SC_NETWORKS=my_lab.coder:Encoder")
    run(lab, *evaluate, "own.safetensors", SDR_SC_NETWORKS="my_lab.coder:Encoder")
    run(lab, "export", "own.safetensors", *data, "--out", "own.onnx", SDR_SC_NETWORKS="my_lab.coder:Encoder")
    run(lab, *evaluate, "own.onnx")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no such layer')", "ValueError: no such layer"),
        ("return images.mean() * torch.ones(len(images), 3, 2)", "(2, 3, 2)"),
        ("return torch.full((len(images), 16, 2), float('nan'))", "no finite numbers"),
        ("return [1]", "gives list"),
    ],
)
def test_a_class_that_gives_no_symbols_is_refused(lab: Path, tmp_path: Path, body: str, words: str) -> None:
    (tmp_path / "bad.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Encoder(nn.Module):\n"
        "    def __init__(self, k_max, item_shape):\n        super().__init__()\n\n"
        f"    def forward(self, images, snr_db):\n        {body}\n"
    )
    arguments = (*DISTILL, "--data-set", lab / "cifar-10-batches-py", "--epochs", 1, "--out", "x.safetensors")
    assert_one_line_error(sdr_sc(*arguments, "--encoder", "bad:Encoder", cwd=tmp_path), words)
    assert not (tmp_path / "x.safetensors").exists()


def test_what_does_not_fit_is_reported_before_anything_starts(lab: Path) -> None:
    data = ("--data-set", "cifar-10-batches-py")
    for verb in ("demo", "evaluate"):
        assert_one_line_error(sdr_sc(verb, *data, cwd=lab), "takes items of shape (28, 28), not (3, 32, 32)")
    assert_one_line_error(sdr_sc("tx", *data, cwd=lab), "takes items of shape (28, 28), not (3, 32, 32)")
    assert_one_line_error(sdr_sc("demo", "--data-set", "nothing", cwd=lab), "data set 'nothing' is unknown")
    assert_one_line_error(sdr_sc(*DISTILL, *data, "--encoder", "dence", cwd=lab), "encoder of kind 'dence' is unknown")
    assert_one_line_error(sdr_sc(*DISTILL, *data, "--encoder", "no_lab:X", cwd=lab), "no_lab:X cannot be made")
