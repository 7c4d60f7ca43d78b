# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a codeword is lost, by mode, length and SNR estimate: measured through frames, channel and receiver.

The transmitter of a coded scheme chooses its mode by these tables. They hold what a real link would learn by counting:
at which SNR estimate, of the frame before or smoothed over several, which share of codewords is lost.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from sdr_sc.documents import read_json, real_number
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.modes import MODES
from sdr_sc.schemes.model_files import sha256_of
from sdr_sc.sealed import check_sidecar
from sdr_sc.shown import reason_of, shown

FILE = Path(__file__).parent / "tables" / "bler_tables.json"
FORMAT_VERSION = 2
UNKNOWN_DB = -3.0
"""Assumed before the first estimate: robust, and decodable at any SNR above."""
STEPS_PER_DB = 20
LOST = (0.99, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Shares of codewords lost, falling, whose SNR estimates the tables hold."""
_NORMAL = np.concatenate(([-4.5], -ndtri(LOST), [4.5]))
_BEYOND_DB = 1.0
LOWEST_DB, HIGHEST_DB = -6.0, 35.0
"""Below it no mode works, and to choose among them would mean nothing."""


@dataclass(frozen=True)
class ErrorRates:
    """Of one channel.

    Attributes:
        channel: as text; '' is noise alone, ``any other`` what is assumed of unknown ones.
        symbols: int (lengths,), symbols of a codeword, rising.
        snr_db: float64 (lengths, modes, `LOST`), SNR estimate at which that share is lost, rising.
        smoothing: weight of the past in these estimates, as `sdr_sc.link.adaptation.SnrSmoother` has it: above 0 where
            the channel stays as it is.
    """

    channel: str
    symbols: np.ndarray
    snr_db: np.ndarray
    smoothing: float = 0.0

    def lost(self, mode: int, snr_db: float | None, symbols: int) -> float:
        """Share of a mode's codewords that are lost: lines in the quantiles of a normal distribution, and in the
        logarithm of the length.

        Args:
            mode: place in `MODES`.
            snr_db: the estimate, dB; None where there is none.
            symbols: of a codeword.
        """
        at_db = self.place(snr_db) / STEPS_PER_DB
        lengths = np.log(self.symbols)
        wanted = min(max(np.log(symbols), lengths[0]), lengths[-1])
        high = int(np.searchsorted(lengths, wanted))
        low = max(high - 1, 0)
        share = 0.0 if high == low else (wanted - lengths[low]) / (lengths[high] - lengths[low])
        normal = (1 - share) * self._normal(mode, low, at_db) + share * self._normal(mode, high, at_db)
        return float(ndtr(-normal))

    def _normal(self, mode: int, length: int, at_db: float) -> float:
        curve = self.snr_db[length, mode]
        return float(
            np.interp(at_db, np.concatenate(([curve[0] - _BEYOND_DB], curve, [curve[-1] + _BEYOND_DB])), _NORMAL)
        )

    def of(self, snr_db: float | None, symbols: int) -> np.ndarray:
        """float64 (modes,): `lost` of all modes."""
        return np.array([self.lost(mode, snr_db, symbols) for mode in range(len(MODES))])

    def place(self, snr_db: float | None) -> int:
        """An estimate in whole steps, for which a choice holds; `UNKNOWN_DB` where there is none."""
        known = UNKNOWN_DB if snr_db is None else max(snr_db, LOWEST_DB)
        return int(np.floor(min(known, HIGHEST_DB) * STEPS_PER_DB + 1e-6))


@lru_cache(maxsize=4)
def read_tables(path: Path = FILE) -> dict[str, ErrorRates]:
    """All tables of a file, by channel.

    Raises:
        SdrScError: it cannot be read, or was written for other modes.
    """
    remedy = "get it again, or make it with 'python -m sdr_sc.schemes.learn'"
    what = "file of error rates"
    check_sidecar(path, what, remedy)
    raw = read_json(path, what, remedy)
    try:
        if (
            raw["format_version"] != FORMAT_VERSION
            or raw["modes"] != [mode.name for mode in MODES]
            or raw["lost"] != list(LOST)
        ):
            raise SdrScError(f"{path} was written for other modes than this program has; {remedy}.")
        tables = [_table(one) for one in raw["tables"]]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SdrScError(
            f"{shown(path)} holds no error rates that can be read ({reason_of(error)}); {remedy}."
        ) from error
    return {table.channel: table for table in tables}


def _table(one: dict) -> ErrorRates:
    """A table as the file has it.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    smoothing = real_number(one.get("smoothing", 0.0), 0, 0.99)
    if smoothing is None:
        raise ValueError("a smoothing that cannot be")
    table = ErrorRates(one["channel"], np.array(one["symbols"]), np.array(one["snr_db"], float), smoothing)
    if not isinstance(table.channel, str) or table.snr_db.shape != (len(table.symbols), len(MODES), len(LOST)):
        raise ValueError(f"a table of shape {table.snr_db.shape}")
    lengths = table.symbols
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths[0] < 1 or (np.diff(lengths) <= 0).any():
        raise ValueError("lengths that do not rise")
    if not np.isfinite(table.snr_db).all() or (np.diff(table.snr_db, axis=2) < 0).any():
        raise ValueError("SNRs that do not rise")
    return table


@lru_cache(maxsize=4)
def tables_sha256() -> str:
    """Which tables `read_tables` has: of the file, 16 hexadecimal digits."""
    return sha256_of(FILE)


def rates_for(channel: str) -> ErrorRates:
    """The channel's table, wherever its measured file lies.

    A channel without one gets the highest losses of all tables: too careful a mode costs symbols, too bold a one all
    items.
    """
    tables = {_key(name): table for name, table in read_tables().items()}
    return tables.get(_key(channel)) or _most_careful()


def _key(channel: str) -> str:
    return re.sub(r"[^'\"=(]*/", "", re.sub(r"\s", "", channel))


@lru_cache(maxsize=1)
def _most_careful() -> ErrorRates:
    tables = list(read_tables().values())
    common = sorted(set.intersection(*(set(table.symbols.tolist()) for table in tables)))
    curves = [table.snr_db[np.isin(table.symbols, common)] for table in tables]
    return ErrorRates("any other", np.array(common), np.max(curves, axis=0))


def to_json(tables: list[ErrorRates]) -> str:
    """The file's text."""
    content = {
        "format_version": FORMAT_VERSION,
        "modes": [mode.name for mode in MODES],
        "lost": list(LOST),
        "tables": [
            {
                "channel": one.channel,
                "symbols": one.symbols.tolist(),
                "smoothing": one.smoothing,
                "snr_db": np.round(one.snr_db, 2).tolist(),
            }
            for one in tables
        ],
    }
    return json.dumps(content) + "\n"
