# SPDX-License-Identifier: GPL-3.0-or-later
"""The student quantised to 8 bits: accuracy over SNR and k, size and processor time beside 32 bits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.distill.export.onnx_export import StudentExporter
from sdr_sc.evidence.tables import APART
from sdr_sc.files import write_whole
from sdr_sc.phy.numerology import Numerology
from sdr_sc.places import scratch_folder
from sdr_sc.results.rows import Row, clustered_interval, mean_interval
from sdr_sc.schemes.learned import ModelScheme
from sdr_sc.schemes.link import run_scheme
from sdr_sc.semantic.inference import SemanticDecoder, SemanticEncoder

Log = Callable[[str], None]
SNR_DB, KS = (0.0, 5.0, 10.0, 20.0), (2, 4, 8, 16)
ITEMS, CALIBRATION_ITEMS = 5000, 512
PRECISIONS = ("float32", "int8")
_RUNS, _WARM_UP = 300, 30


def bench_int8(model: str, quick: bool, seed: int, log: Log, data_set: str = DEFAULT_DATA_SET) -> list[Row]:
    """Export the student in both precisions, and measure both over the same noise.

    Args:
        model: weights file or name of a shipped model.
        quick: a tenth of the items.
        seed: of items and noise.
        log: called with what is measured next.
        data_set: of test items, and of training items that set the ranges.

    Raises:
        ContractError: the model cannot be used, or does not fit the data.
    """
    train, test = load_dataset(data_set, "train"), load_dataset(data_set, "test")
    exporter = StudentExporter(model)
    contract = exporter.contract
    task = contract.tasks[0].name
    contract.check_data(test.item_shape, len(test.names(task)))
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(test))[: ITEMS // (10 if quick else 1)]
    ranges = train.items(rng.permutation(len(train))[:CALIBRATION_ITEMS])
    images, truth = test.items(chosen), test.targets(task, chosen).astype(np.int64)
    rows: list[Row] = []
    with scratch_folder() as folder:
        pairs = {name: Path(folder) / f"{name}.onnx" for name in PRECISIONS}
        log("writing both precisions")
        written = {"float32": exporter.float32(pairs["float32"]), "int8": exporter.int8(pairs["int8"], ranges)}
        for name, files in written.items():
            write_whole(files)
            sizes = zip(("encoder", "decoder"), files.values(), strict=True)
            rows += [Row(f"size of the {part}{APART}{name}", _network_bytes(one) / 1e3, "kB") for part, one in sizes]
        coders = {name: (SemanticEncoder(path), SemanticDecoder(path)) for name, path in pairs.items()}
        for name, (encoder, decoder) in coders.items():
            log(f"time, {name}")
            sent = encoder.encode(images[:1], 10.0, contract.k_max)
            rows.append(_time_row(f"encoding one item{APART}{name}", encoder.encode, images[:1], 10.0, contract.k_max))
            rows.append(_time_row(f"decoding one item{APART}{name}", decoder.decode, sent, 10.0))
        for snr_db in SNR_DB:
            for k in (k for k in KS if k in contract.k_list):
                log(f"accuracy, {snr_db:g} dB, k={k}")
                right = {}
                for name, both in coders.items():
                    classes, scheme = len(contract.class_names), ModelScheme(*both)
                    found = run_scheme(scheme, images, truth, None, snr_db, k, Numerology(), seed=seed, classes=classes)
                    right[name] = found.right
                    low, high = clustered_interval(found.correct_by_frame, found.items_by_frame)
                    value = 100 * float(found.right.mean())
                    rows.append(Row(f"{snr_db:g} dB, k={k}{APART}{name}", value, "%", n=len(truth),
                                    ci95=(100 * low, 100 * high)))  # fmt: skip
                lost = 100.0 * (right["float32"].astype(float) - right["int8"])
                rows.append(Row(f"{snr_db:g} dB, k={k}{APART}lost by int8", float(lost.mean()), "points", n=len(truth),
                                ci95=mean_interval(lost)))  # fmt: skip
    return rows


def _network_bytes(file: bytes) -> int:
    """Of an ONNX file without what it says of the model: the contract is the same in any precision."""
    import onnx

    network = onnx.load_model_from_string(file)
    del network.metadata_props[:]
    return len(network.SerializeToString())


def _time_row(name: str, work: Callable, *arguments: object) -> Row:
    """Median processor time of one thread, ms."""
    times = []
    for _ in range(_WARM_UP + _RUNS):
        began = time.process_time()
        work(*arguments)
        times.append(1e3 * (time.process_time() - began))
    kept = np.array(times[_WARM_UP:])
    resampled = np.random.default_rng(1).choice(kept, (300, len(kept)))
    low, high = np.quantile(np.median(resampled, axis=1), (0.025, 0.975))
    return Row(name, float(np.median(kept)), "ms", n=len(kept), ci95=(float(low), float(high)))
