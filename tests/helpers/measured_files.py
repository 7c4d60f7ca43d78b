# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a made-up measured channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TONES = np.concatenate((np.arange(-28, -1, 2), [-1], np.arange(1, 28, 2), [28]))
SPACING_HZ = 312_500.0


def content(snapshots: int = 200, seed: int = 1, shuffled: bool = True) -> dict[str, np.ndarray]:
    """A channel of two paths, one of which turns slowly; delay, phase and gain of each snapshot at random."""
    rng = np.random.default_rng(seed)
    t_s = 0.008 * np.arange(snapshots) + 0.001 * rng.random(snapshots)
    echo = 0.6 * np.exp(2j * np.pi * 1.2 * t_s)
    H = 1.0 + echo[:, None] * np.exp(-2j * np.pi * TONES * SPACING_HZ * 90e-9)
    if shuffled:
        ramp = np.exp(-2j * np.pi * np.outer(2 * rng.random(snapshots), TONES) / 64)
        H = H * ramp * np.exp(2j * np.pi * rng.random((snapshots, 1))) * 10 ** rng.uniform(-4, -3, (snapshots, 1))
    return {
        "H": H.astype(np.complex64),
        "t_s": t_s,
        "subcarrier": TONES,
        "subcarrier_spacing_hz": np.array(SPACING_HZ),
    }


def write(path: Path, **changes) -> Path:
    arrays = {key: value for key, value in {**content(), **changes}.items() if value is not None}
    np.savez(path, **arrays)
    return path
