# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and settings of a run as a reader would write them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

_UNITS = {"hz": "Hz", "db": "dB", "s": "s", "ms": "ms", "gib": "GiB"}
_NAMES = {"snr": "SNR", "cfo": "CFO", "cpu": "CPU", "id": "ID", "numpy": "NumPy", "gnuradio": "GNU Radio"}


def number_text(value: float, digits: int, sign: bool = False) -> str:
    """A number with so many decimals and a true minus sign; a dash for NaN.

    >>> number_text(-1.25, 1), number_text(2, 1, sign=True), number_text(float("nan"), 1)
    ('−1.2', '+2.0', '–')
    """
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def setting_name(name: str) -> str:
    """A snake_case name in words, its unit in brackets.

    >>> setting_name("cfo_hz"), setting_name("items_per_frame"), setting_name("model_id"), setting_name("header check")
    ('CFO (Hz)', 'items per frame', 'model ID', 'header check')
    """
    parts = name.split("_")
    unit = _UNITS.get(parts[-1]) if len(parts) > 1 else None
    spoken = " ".join(_NAMES.get(part, part) for part in (parts[:-1] if unit else parts))
    return f"{spoken} ({unit})" if unit else spoken


def words(value: Any) -> str:
    """A setting in words.

    >>> words([4, 8, 16]), words(True), words(2000.0), words({"a": 1})
    ('4, 8, 16', 'yes', '2000', '{"a": 1}')
    """
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not set"}[value]
    if isinstance(value, (int, float)):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    if isinstance(value, list) and not any(isinstance(inner, (list, dict)) for inner in value):
        return ", ".join(words(inner) for inner in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def facts(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value in words; the entries of a nested object stand behind its own name.

    >>> facts({"seed": 1, "lost_causes": {"not detected": 2}, "receiver": {}})
    [('seed', '1'), ('lost causes: not detected', '2'), ('receiver', 'none')]
    """
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        spoken = setting_name(str(name))
        if isinstance(value, dict):
            rows += [(f"{spoken}: {inner}", text) for inner, text in facts(value)] or [(spoken, "none")]
        else:
            rows.append((spoken, words(value)))
    return rows
