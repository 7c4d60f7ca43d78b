# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to damage the samples of a frame, each a function of samples and a random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# Shorter than preamble and header together: a copied piece cannot hold a whole second frame.
_LONGEST = 800


def _piece(samples: np.ndarray, rng: np.random.Generator) -> slice:
    if not len(samples):
        return slice(0, 0)
    start = int(rng.integers(len(samples)))
    return slice(start, start + int(rng.integers(1, _LONGEST)))


def _set(samples: np.ndarray, where: slice, value: np.ndarray | complex | float) -> np.ndarray:
    out = samples.copy()
    out[where] = value
    return out


def drop(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leave out a piece, as an overflow does."""
    piece = _piece(samples, rng)
    return np.concatenate((samples[: piece.start], samples[piece.stop :]))


def double(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Repeat a piece."""
    piece = _piece(samples, rng)
    return np.concatenate((samples[: piece.stop], samples[piece.start :]))


def zero(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Silence a piece."""
    return _set(samples, _piece(samples, rng), 0)


def flip(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip the sign of a piece."""
    piece = _piece(samples, rng)
    return _set(samples, piece, -samples[piece])


def not_finite(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """NaN or infinity in place of a piece."""
    value = float(rng.choice((np.nan, np.inf, -np.inf)))
    return _set(samples, _piece(samples, rng), complex(value, 0.0 if rng.random() < 0.5 else value))


def swap(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two pieces in each other's place, as buffers out of order."""
    first, second = sorted(_piece(samples, rng).start for _ in range(2))
    length = min(int(rng.integers(1, _LONGEST)), second - first, len(samples) - second)
    out = samples.copy()
    out[first : first + length] = samples[second : second + length]
    out[second : second + length] = samples[first : first + length]
    return out


def reverse(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A piece backwards in time."""
    piece = _piece(samples, rng)
    return _set(samples, piece, samples[piece][::-1])


def step(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another amplitude from some sample on, as a gain control makes it."""
    piece = _piece(samples, rng)
    rest = slice(piece.start, None)
    with np.errstate(invalid="ignore"):  # infinity in a complex product
        return _set(samples, rest, samples[rest] * np.float32(10 ** rng.uniform(-2, 2)))


def impulses(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few samples far stronger than the rest."""
    out = samples.copy()
    if len(samples):
        with np.errstate(invalid="ignore"):  # infinity in a complex product
            out[rng.integers(len(samples), size=int(rng.integers(1, 20)))] *= np.float32(10 ** rng.uniform(1, 6))
    return out


def clip(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Real and imaginary parts limited, as a converter does."""
    level = rng.uniform(0.05, 1.0)
    return (np.clip(samples.real, -level, level) + 1j * np.clip(samples.imag, -level, level)).astype(np.complex64)


def cut_start(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The beginning missing."""
    return samples[_piece(samples, rng).start :]


def cut_end(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The end missing."""
    return samples[: _piece(samples, rng).start]


def collide(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same frame a second time on top, later and with another power."""
    late, gain = _piece(samples, rng).start, np.float32(10 ** rng.uniform(-1, 0.5))
    out = samples.copy()
    with np.errstate(invalid="ignore"):  # infinity in a complex product
        out[late:] += gain * samples[: len(samples) - late]
    return out


DAMAGES: dict[str, Damage] = {
    function.__name__: function
    for function in (
        drop,
        double,
        zero,
        flip,
        not_finite,
        swap,
        reverse,
        step,
        impulses,
        clip,
        cut_start,
        cut_end,
        collide,
    )
}
