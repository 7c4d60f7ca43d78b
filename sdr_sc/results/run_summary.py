# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of a run's ``summary.json``, and of the checksums in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdr_sc.documents import read_json, real_number, whole_number
from sdr_sc.errors import SdrScError
from sdr_sc.link.frames.frame_record import LARGEST_COUNT
from sdr_sc.results.rows import FILES_KEY, FURTHER_TABLES, SUMMARY_NAME, TABLES
from sdr_sc.sealed import file_digest, unsealed
from sdr_sc.shown import shown

FILES = (SUMMARY_NAME, *TABLES)
SUMMARY_LIMIT_BYTES = 8 << 20
FIX = "run the experiment again"
CUT = "the run was cut short or the file was edited"


def read_summary(folder: Path) -> tuple[dict[str, Any], bool]:
    """Its content, and whether it had a checksum; ``config``, ``accounting``, ``machine``, ``rows`` are always there.

    Raises:
        SdrScError: it cannot be read, is damaged, or a value in it is of another kind than a run writes.
    """
    path = folder / SUMMARY_NAME
    content = read_json(path, "summary", CUT, limit_bytes=SUMMARY_LIMIT_BYTES)
    if not isinstance(content, dict):
        raise SdrScError(f"{shown(path)} holds no JSON object; {CUT}.")
    content, is_sealed = unsealed(content, shown(path), FIX)
    kinds = {"config": dict, "accounting": dict, "machine": dict, "rows": list}
    for key, kind in kinds.items():
        content[key] = content[key] if content.get(key) is not None else kind()
        if not isinstance(content[key], kind):
            raise SdrScError(f"{shown(path)}: '{key}' is not a JSON {'object' if kind is dict else 'list'}; {CUT}.")
    for number, row in enumerate(content["rows"], 1):
        wrong = _wrong_in_row(row)
        if wrong is not None:
            raise SdrScError(f"{shown(path)}: {wrong} in row {number} of 'rows'; {CUT}.")
    accounting = content["accounting"]
    for key in ("frames_sent", "frames_lost", "items_sent"):
        if accounting.get(key) is not None and whole_number(accounting[key], 0, LARGEST_COUNT) is None:
            raise SdrScError(f"{shown(path)}: '{key}' of 'accounting' is no count; {CUT}.")
    causes, doubts = accounting.get("lost_causes"), accounting.get("discrepancies")
    if isinstance(causes, dict) and not all(whole_number(n, 0, LARGEST_COUNT) is not None for n in causes.values()):
        raise SdrScError(f"{shown(path)}: 'lost_causes' of 'accounting' holds what is no count; {CUT}.")
    if doubts is not None and not isinstance(doubts, list):
        raise SdrScError(f"{shown(path)}: 'discrepancies' of 'accounting' is no list; {CUT}.")
    return content, is_sealed


def _wrong_in_row(row: Any) -> str | None:
    """What of a measured figure is not as `sdr_sc.results.rows.write_json` writes it."""
    if not isinstance(row, dict):
        return "there is no object"
    for key in ("name", "unit", "goal"):
        if not isinstance(row.get(key) or "", str):
            return f"'{key}' is no text"
    if row.get("value") is not None and real_number(row["value"]) is None:
        return "'value' is no number"
    ci95 = row.get("ci95")
    if ci95 is not None and not (
        isinstance(ci95, list) and len(ci95) == 2 and all(real_number(bound) is not None for bound in ci95)
    ):
        return "'ci95' is not two numbers"
    if row.get("n") is not None and whole_number(row["n"], 0, LARGEST_COUNT) is None:
        return "'n' is no count"
    return None if row.get("ok") in (None, True, False) else "'ok' is neither true nor false"


def check_files(folder: Path, summary: dict[str, Any]) -> bool:
    """Whether the summary holds the checksums of all other files, which are then the right ones.

    Raises:
        SdrScError: a file has another checksum.
    """
    told = summary.pop(FILES_KEY, None)
    if told is None:
        return False
    if not isinstance(told, dict):
        raise SdrScError(f"{shown(folder / SUMMARY_NAME)}: '{FILES_KEY}' is no JSON object; {CUT}.")
    for name in (*TABLES, *FURTHER_TABLES):
        if name in told and told[name] != file_digest(folder / name):
            raise SdrScError(
                f"{shown(folder / name)} is damaged or was edited: summary.json holds another SHA-256 of it; {FIX}."
            )
    return all(name in told for name in TABLES)
