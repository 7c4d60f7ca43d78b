# SPDX-License-Identifier: GPL-3.0-or-later
"""One small file of each kind that figures are read from, with its real reader, for `bench_integrity`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.data import fashion_mnist
from sdr_sc.distill.checkpoint import read_checkpoint, write_checkpoint
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.distill.targets.prestore import PrestoreConfig, Prestorer
from sdr_sc.distill.targets.prestored import open_prestored
from sdr_sc.distill.teachers.base import TeacherAnswer, fingerprint
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2, TeacherCard, load, save
from sdr_sc.files import write_whole
from sdr_sc.phy.frame.modes import FrameMode
from sdr_sc.report.run.data import FRAME_COLUMNS, ITEM_COLUMNS
from sdr_sc.report.run.files import load_run
from sdr_sc.results.rows import Row, read_measurements, write_json, write_summary
from sdr_sc.semantic import weights
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.journal import Journal
from sdr_sc.sweep.results import columns, read_results, write_results
from sdr_sc.sweep.runner import results_about
from sdr_sc.sweep.tally import PointResult

Figures = dict[str, str]
"""What was read, as text by name."""
_FRAMES, _ITEMS = 12, 4
_CLASSES = 10


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: for people.
        tries: of 10,000 in all.
        files: those that bits are changed in.
        read: all that is used of them.
        first_bytes: only so many of each file are changed, where the rest is long and all alike; 0 for all.
        may_lose: whether a part may be missing afterwards, as a journal's last line, which is measured again.
    """

    name: str
    tries: int
    files: tuple[Path, ...]
    read: Callable[[], Figures]
    first_bytes: int = 0
    may_lose: bool = False


def make_kinds(folder: Path, seed: int) -> list[Kind]:
    """Write a file of each kind below a folder.

    Raises:
        SdrScError: one cannot be written, or a package is missing.
    """
    rng = np.random.default_rng(seed)
    model = folder / "model.safetensors"
    contract = weights.read_contract(weights.DEFAULT_MODEL)
    weights.save(model, weights.read_tensors(weights.DEFAULT_MODEL), contract)
    header_bytes = 8 + int.from_bytes(model.read_bytes()[:8], "little")
    teacher = _write_teacher(folder / "teacher.safetensors")
    teacher_header = 8 + int.from_bytes(teacher.read_bytes()[:8], "little")
    return [
        _results(folder, rng),
        _journal(folder, rng),
        _run_folder(folder / "run", rng),
        Kind("model contract, header", 1000, (model,), lambda: _model(model), header_bytes),
        Kind("model contract, weights", 500, (model,), lambda: _model(model)),
        _exported(folder / "exported.onnx"),
        _knowledge(folder / "knowledge"),
        Kind("teacher", 200, (teacher,), lambda: _teacher(teacher), 2 * teacher_header),
        _figures(folder / "figures.json"),
        _checkpoint(folder / "checkpoint.pt"),
    ]


def _digest(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _tensors(found: Mapping[str, Any]) -> str:
    return fingerprint({name: torch.as_tensor(value) for name, value in found.items()}, {})


def _point_result(point: Point, rng: np.random.Generator) -> PointResult:
    """A result whose numbers agree with each other."""
    frames, per_frame = 4, 25
    truth = rng.integers(0, _CLASSES, frames * per_frame)
    found = np.where(rng.random(len(truth)) < 0.8, truth, (truth + 1) % _CLASSES)
    confusion = np.zeros((_CLASSES, _CLASSES + 1), np.int32)
    np.add.at(confusion, (truth, found), 1)
    correct = (truth == found).reshape(frames, per_frame).sum(axis=1).astype(np.int32)
    sizes = np.full(frames, per_frame, np.int32)
    return PointResult(
        point, "phy", len(truth), int(correct.sum()), 0, frames, 0, 4 * len(truth), 9 * len(truth), point.snr_db + 0.25,
        correct, sizes, correct, sizes, confusion, np.arange(24, dtype=np.int32), found[:24].astype(np.int32), 0.5,
        "unknown", np.array([0, frames, 0], np.int32), np.array([0, 9 * len(truth), 0]),
    )  # fmt: skip


def _sweep(rng: np.random.Generator) -> tuple[dict[str, Any], list[PointResult]]:
    config = config_from({"schemes": ["label_ldpc"], "snr_db": [0, 5, 10, 15]})
    about = results_about(config, {"label_ldpc": {"scheme": "label_ldpc"}}, {"label_ldpc": None}, ["sdr-sc", "sweep"])
    points = [Point("label_ldpc", "awgn", snr_db, None, 1) for snr_db in config.snr_db]
    return about, [_point_result(point, rng) for point in points]


def _of_points(results: Mapping[Point, PointResult]) -> Figures:
    return {str(point): _digest(columns(result)) for point, result in results.items()}


def _results(folder: Path, rng: np.random.Generator) -> Kind:
    path = folder / "results.parquet"
    write_results(path, *_sweep(rng))

    def read() -> Figures:
        found = read_results(path)
        return {"about": _digest(found.about), **_of_points(found.points)}

    return Kind("sweep results", 2000, (path,), read)


def _journal(folder: Path, rng: np.random.Generator) -> Kind:
    path = folder / "journal.parquet"
    about, results = _sweep(rng)
    journal = Journal(path, about)
    for result in results:
        journal.add(result)
    content = journal.journal.read_bytes()
    journal.close()
    path.unlink()
    write_whole({journal.journal: content})

    def read() -> Figures:
        found = Journal(path, about)
        try:
            return {"about": _digest(found.about), **_of_points(found.points)}
        finally:
            found.close()
            path.unlink(missing_ok=True)

    return Kind("sweep journal", 1000, (journal.journal,), read, may_lose=True)


def _run_folder(folder: Path, rng: np.random.Generator) -> Kind:
    folder.mkdir()
    frames, items = [], []
    for index in range(_FRAMES):
        snr_db = 20.0 - index
        latency_ms = float(rng.uniform(5, 9))
        estimate_db = f"{snr_db + rng.normal(0, 0.2):.4f}"
        known = {"frame_index": index, "snr_set_db": snr_db, "snr_est_db": estimate_db, "k": 4, "n_items": _ITEMS}
        known |= {"status": "delivered", "latency_ms": f"{latency_ms:.4f}", "mode": int(FrameMode.NORMAL)}
        frames.append([known.get(name, "") for name in FRAME_COLUMNS])
        for place in range(_ITEMS):
            label = int(rng.integers(_CLASSES))
            items.append([index * _ITEMS + place, index, label, label, 4, 1, f"{rng.uniform(0.5, 1):.4f}", ""])
    for name, header, table in (("frames.csv", FRAME_COLUMNS, frames), ("items.csv", ITEM_COLUMNS, items)):
        with open(folder / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *table])
    images = rng.integers(0, 256, (4, 28, 28)).astype(np.uint8)
    np.savez_compressed(folder / "images.npz", images=images, item_id=np.arange(4))
    rows = [Row("accuracy over all images", 100.0, "%", n=_FRAMES * _ITEMS, ci95=(92.6, 100.0))]
    config = {"k_list": [4, 8], "class_names": [f"class {number}" for number in range(_CLASSES)]}
    write_summary(folder, "sdr-sc demo", rows, {"config": config, "accounting": {"frames_sent": _FRAMES}})

    def read() -> Figures:
        run = load_run(folder)
        shown = {name: run.summary.get(name) for name in ("command", "git", "machine", "rows", "config", "accounting")}
        tables = {
            name: {column: values.tolist() for column, values in vars(table).items()}
            for name, table in (("frames", run.frames), ("items", run.items))
        }
        pictures = [run.images.tolist(), run.image_ids.tolist()]
        return {"run": _digest([shown, tables, pictures, run.class_names, run.k_list])}

    return Kind("run folder", 2000, tuple(sorted(folder.iterdir())), read)


def _model(path: Path) -> Figures:
    return {"contract": _digest(asdict(weights.read_contract(path))), "tensors": _tensors(weights.read_tensors(path))}


def _exported(pair: Path) -> Kind:
    from sdr_sc.semantic import onnx_file

    files = StudentExporter(weights.DEFAULT_MODEL).float32(pair)
    write_whole(files)
    paths = tuple(files)

    def read() -> Figures:
        found = {path.name: onnx_file.read(path) for path in paths}
        return {
            # All that is used of a file: its graph, which ends where the metadata begin, and the contract.
            name: _digest([file.contract_json, file.part, file.precision, file.content.hex()])
            for name, file in found.items()
        }

    return Kind("exported model (ONNX)", 700, paths, read)


class _Linear:
    """A teacher that is a seeded linear map."""

    name, classes, feature_dim = "linear", _CLASSES, 24

    def __init__(self) -> None:
        torch.manual_seed(1)
        self._body, self._head = nn.Linear(784, self.feature_dim), nn.Linear(self.feature_dim, self.classes)
        self.fingerprint = fingerprint({**self._body.state_dict(), "head": self._head.weight}, {})

    @torch.inference_mode()
    def ask(self, images: Tensor) -> TeacherAnswer:
        """See `sdr_sc.distill.teachers.base.Teacher.ask`."""
        features = self._body(images.flatten(1).float() / 255)
        return TeacherAnswer(self._head(features), features)


def _knowledge(folder: Path) -> Kind:
    data = fashion_mnist.load("train").first(48)
    Prestorer(_Linear(), data, PrestoreConfig(views=2, shard_items=16), folder).run()

    def read() -> Figures:
        stored = open_prestored(folder, data)
        items = np.repeat(np.arange(stored.items), stored.views)
        found = stored.targets(items, np.tile(np.arange(stored.views), stored.items))
        values = {"views": found.views.astype(np.int64), "labels": found.log_probabilities}
        if found.features is not None:
            values["features"] = found.features
        return {"manifest": _digest(asdict(stored.manifest)), "values": _tensors(values)}

    return Kind("pre-stored knowledge", 1200, tuple(sorted(folder.iterdir())), read)


def _write_teacher(path: Path) -> Path:
    torch.manual_seed(1)
    network = EfficientNetLite2(32, 2, _CLASSES, pretrained=False).eval()
    save(path, network, TeacherCard(32, 2, fashion_mnist.CLASS_NAMES, "none", "0" * 64, 0.5, 0.5))
    return path


def _teacher(path: Path) -> Figures:
    network, card = load(path)
    return {"card": _digest(asdict(card)), "tensors": _tensors(network.state_dict())}


def _figures(path: Path) -> Kind:
    rows = [Row.at_least(f"speed of part {number}", 10.0 + number, "MS/s", 5.0, n=100) for number in range(20)]
    write_json(path, "sdr-sc bench phy", rows, {"config": {"seed": 1, "quick": False}})
    used = ("command", "git", "machine", "rows", "config")

    def read() -> Figures:
        content = read_measurements(path)
        return {name: _digest(content.get(name)) for name in used}

    return Kind("figures of benches (JSON)", 1000, (path,), read)


def _checkpoint(path: Path) -> Kind:
    torch.manual_seed(2)
    write_checkpoint(path, {"weights": torch.randn(2000).numpy()}, {"epoch": 3, "name": "training"})

    def read() -> Figures:
        arrays, about = read_checkpoint(path)
        weights = _tensors({"w": torch.from_numpy(arrays["weights"])})
        return {"epoch": str(about["epoch"]), "name": about["name"], "weights": weights}

    return Kind("checkpoint", 400, (path,), read)
