# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a codeword is lost, by mode, length and SNR estimate: measured through frames, channel and receiver.

The transmitter of a coded scheme chooses its mode by these tables. They hold what a real link would learn by counting:
the share of codewords lost when the receiver's estimate of the frame before was in a given decibel.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdr_sc.documents import read_json
from sdr_sc.errors import SdrScError
from sdr_sc.phy.coding.ldpc_qam import MODES
from sdr_sc.schemes.model_files import sha256_of
from sdr_sc.sealed import check_sidecar
from sdr_sc.shown import reason_of, shown

FILE = Path(__file__).parent / "tables" / "bler_tables.json"
FORMAT_VERSION = 1
UNKNOWN_DB = -3.0
"""Assumed before the first estimate: robust, and decodable at any SNR above."""
STEPS_PER_DB = 4
LOWEST_DB = -6.0
"""Below it no mode works, and to choose among them would mean nothing."""


@dataclass(frozen=True)
class ErrorRates:
    """Of one channel.

    Attributes:
        channel: as text; '' is noise alone, ``any other`` what is assumed of unknown ones.
        snr_db: int (bins,), lower edges of bins of 1 dB of the SNR estimate, rising by 1.
        symbols: int (lengths,), symbols of a codeword, rising.
        rate: float64 (lengths, modes, bins), share of codewords lost, falling with the SNR.
    """

    channel: str
    snr_db: np.ndarray
    symbols: np.ndarray
    rate: np.ndarray

    def of(self, snr_db: float | None, symbols: int) -> np.ndarray:
        """float64 (modes,): share of codewords of the nearest length that are lost, by lines between the bins' middles.

        Args:
            snr_db: the estimate, dB; None where there is none.
            symbols: of a codeword.
        """
        length = int(np.argmin(np.abs(np.log(self.symbols / symbols))))
        at_db = self.place(snr_db) / STEPS_PER_DB
        return np.array([np.interp(at_db, self.snr_db + 0.5, rate) for rate in self.rate[length]])

    def place(self, snr_db: float | None) -> int:
        """An estimate in whole steps, for which a choice holds; `UNKNOWN_DB` where there is none."""
        known = UNKNOWN_DB if snr_db is None else max(snr_db, LOWEST_DB)
        return int(np.floor(min(known, float(self.snr_db[-1] + 1)) * STEPS_PER_DB))


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
        if raw["format_version"] != FORMAT_VERSION or raw["modes"] != [mode.name for mode in MODES]:
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
    table = ErrorRates(one["channel"], np.array(one["snr_db"]), np.array(one["symbols"]), np.array(one["rate"], float))
    shape = (len(table.symbols), len(MODES), len(table.snr_db))
    if not isinstance(table.channel, str) or table.rate.shape != shape or not table.rate.size:
        raise ValueError(f"a table of shape {table.rate.shape}")
    axes = table.snr_db, table.symbols
    if any(axis.ndim != 1 or axis.dtype.kind not in "iu" or (np.diff(axis) <= 0).any() for axis in axes):
        raise ValueError("SNRs or lengths that do not rise")
    if not ((table.rate >= 0) & (table.rate <= 1)).all() or table.symbols[0] < 1:
        raise ValueError("a share that is not between 0 and 1")
    return table


@lru_cache(maxsize=4)
def tables_sha256() -> str:
    """Which tables `read_tables` has: of the file, 16 hexadecimal digits."""
    return sha256_of(FILE)


def rates_for(channel: str) -> ErrorRates:
    """The channel's table, wherever its measured file lies.

    A channel without one gets the highest rates of all tables: too careful a mode costs symbols, too bold a one all
    items.
    """
    tables = {_key(name): table for name, table in read_tables().items()}
    return tables.get(_key(channel)) or _most_careful()


def _key(channel: str) -> str:
    return re.sub(r"[^'\"=(]*/", "", re.sub(r"\s", "", channel))


@lru_cache(maxsize=1)
def _most_careful() -> ErrorRates:
    tables = list(read_tables().values())
    return replace(tables[0], channel="any other", rate=np.max([table.rate for table in tables], axis=0))


def to_json(tables: list[ErrorRates]) -> str:
    """The file's text."""
    content = {
        "format_version": FORMAT_VERSION,
        "modes": [mode.name for mode in MODES],
        "tables": [
            {
                "channel": one.channel,
                "snr_db": one.snr_db.tolist(),
                "symbols": one.symbols.tolist(),
                "rate": np.round(one.rate, 4).tolist(),
            }
            for one in tables
        ],
    }
    return json.dumps(content) + "\n"
