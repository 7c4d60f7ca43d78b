# SPDX-License-Identifier: GPL-3.0-or-later
"""Results do not depend on the BLAS kernel or on its threads: one sweep, the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sdr_sc.phy.linear import energy, inner, matmul, solve_positive

TESTS = Path(__file__).parents[1] / "helpers"
MEASURE = """
import sys
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.points import measure
sys.path.insert(0, sys.argv[1])
from sweeps import tasks_of
config = config_from({
    "schemes": [{"scheme": "ours", "k": [4, 16]}, {"scheme": "pca", "k": [16]}, "features_ldpc"],
    "channels": {"awgn": "", "tdl": "tdl_c(delay_spread_ns=300, doppler_hz=50)"},
    "snr_db": [5], "items": 100, "items_per_frame": 50,
})
for task in tasks_of(config):
    r = measure(task)
    print(r.point, r.correct, r.lost, repr(r.snr_est_mean_db), r.sample_answer.tolist())
"""


def measured(**variables: str) -> str:
    """What a process with these variables measures."""
    command = [sys.executable, "-c", MEASURE, str(TESTS)]
    return subprocess.run(
        command, env={**os.environ, **variables}, check=True, capture_output=True, text=True, timeout=110
    ).stdout


def test_a_sweep_has_the_same_bits_with_any_blas_kernel_and_threads() -> None:
    # Kernels that every x86-64 processor of today runs; other processors ignore the names.
    first = measured(OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="Haswell")
    assert len(first.splitlines()) == 8 and "nan" not in first.lower()
    for threads, kernel in (("2", "Zen"), ("2", "Prescott")):
        assert measured(OPENBLAS_NUM_THREADS=threads, OPENBLAS_CORETYPE=kernel) == first, (threads, kernel)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_linear_algebra_agrees_with_numpy(size: int) -> None:
    rng = np.random.default_rng(size)
    square = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))
    right = rng.standard_normal((size, 3)) + 0j
    gram = square @ square.conj().T + np.eye(size)
    np.testing.assert_allclose(matmul(square, right), square @ right, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(solve_positive(gram, right), np.linalg.solve(gram, right), rtol=1e-8, atol=1e-10)
    vector = square[0].astype(np.complex64)
    assert inner(vector, right[:, 0]) == pytest.approx(np.vdot(vector, right[:, 0]), rel=1e-6)
    assert energy(vector) == pytest.approx(np.vdot(vector, vector).real, rel=1e-6)
