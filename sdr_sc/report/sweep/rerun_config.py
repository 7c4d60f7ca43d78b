# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep's configuration as a YAML file that runs it again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import yaml

from sdr_sc.link.return_path import PERFECT
from sdr_sc.sweep.config import CAM, USUAL_MODE, ChannelEntry, SchemeEntry, StopRule, SweepConfig


def config_yaml(config: SweepConfig) -> str:
    """YAML text that `sdr_sc.sweep.config.load_config` reads as this configuration."""
    content: dict[str, Any] = {
        "schemes": [_scheme(entry) for entry in config.schemes],
        "channels": {entry.label: _channel(entry, config) for entry in config.channels},
        "snr_db": [_short(value) for value in config.snr_db],
        "k": _ks(config.k),
        "seeds": list(config.seeds),
        "items": config.items,
        "items_per_frame": config.items_per_frame,
        "air": config.air,
        "carrier_offset_hz": _short(config.carrier_offset_hz),
    }
    if config.stop is not None:
        content["stop"] = _stop(config.stop)
    # Flow style for what is innermost; long lines stay whole, as folded ones are hard to read.
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True, width=10_000)


def _short(value: float) -> float | int:
    """A whole number without its point."""
    return int(value) if float(value).is_integer() else value


def _ks(ks: tuple[int | None, ...]) -> list[int | str]:
    return [CAM if k is None else k for k in ks]


def _scheme(entry: SchemeEntry) -> str | dict[str, Any]:
    plain = not entry.parameters and not entry.k and entry.stop is None and entry.mode == USUAL_MODE
    if entry.label == entry.scheme and plain:
        return entry.scheme
    told: dict[str, Any] = {"scheme": entry.scheme}
    if entry.label != entry.scheme:
        told["name"] = entry.label
    told.update(entry.parameters)
    if entry.k:
        told["k"] = _ks(entry.k)
    if entry.stop is not None:
        told["stop"] = _stop(entry.stop)
    if entry.mode != USUAL_MODE:
        told["mode"] = entry.mode
    return told


def _stop(rule: StopRule) -> dict[str, float | int]:
    return {"interval_points": _short(rule.interval_points), "minimum_items": rule.minimum_items}


def _channel(entry: ChannelEntry, config: SweepConfig) -> str | dict[str, Any]:
    usual = config.items_per_frame if entry.models.strip() and config.air == "phy" else 0
    if entry.realisation_items == usual and entry.feedback == PERFECT:
        return entry.models
    told = entry.described
    if "feedback" in told:
        usual_values = asdict(PERFECT)
        told["feedback"] = {key: value for key, value in told["feedback"].items() if value != usual_values[key]}
    return told
