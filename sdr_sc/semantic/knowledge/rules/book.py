# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of fusion rules: one for each number of symbols, for one model and one version of one base."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdr_sc.documents import read_json, real_number, whole_number
from sdr_sc.errors import ContractError, KnowledgeError
from sdr_sc.files import write_whole
from sdr_sc.jsonable import plain
from sdr_sc.sealed import SEAL_KEY, sealed, unsealed
from sdr_sc.semantic.knowledge.fusion.posterior import Kernel
from sdr_sc.semantic.knowledge.fusion.rule import FusionRule, Gate, Guard
from sdr_sc.semantic.knowledge.storage.state import MOST_VERSIONS, State
from sdr_sc.shown import shown

FORMAT, KIND = 1, "fusion rules"
_LIMIT_BYTES = 1 << 20
_MOST_K, _MOST_SNRS, _LONGEST = 1 << 16, 64, 400
_FIX = "make it again with 'sdr-sc kb fit'"


@dataclass(frozen=True)
class Rules:
    """Fusion rules of a base.

    Attributes:
        model_id, contract_sha256: of the model that they were fitted with.
        task: whose classes they are for.
        base_id, version, checksum: of the base that was asked when they were made harmless.
        by_k: for answers with the base, by the number of symbols.
        local: for answers with a local base, likewise; may be empty.
        local_from_db: estimated SNR from which on a local base takes items, dB; infinite where ``local`` is empty.
        made: how: data sets, SNRs, seed.
    """

    model_id: str
    contract_sha256: str
    task: str
    base_id: str
    version: int
    checksum: str
    by_k: Mapping[int, FusionRule]
    local: Mapping[int, FusionRule] = field(default_factory=dict)
    local_from_db: float = math.inf
    made: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, state: State) -> bool:
        """Whether they were fitted for a base in this version, with this content."""
        return (self.base_id, self.version, self.checksum) == (state.base_id, state.version, state.checksum)

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            OSError: it cannot be written.
        """
        content = {
            "kind": KIND,
            "format": FORMAT,
            "model_id": self.model_id,
            "contract_sha256": self.contract_sha256,
            "task": self.task,
            "base_id": self.base_id,
            "version": self.version,
            "checksum": self.checksum,
            "by_k": {str(k): _of_rule(rule) for k, rule in sorted(self.by_k.items())},
            "local": {str(k): _of_rule(rule) for k, rule in sorted(self.local.items())},
            "local_from_db": _of_bound(self.local_from_db),
            "made": plain(dict(self.made)),
        }
        write_whole({path: (json.dumps(sealed(content), indent=1) + "\n").encode()})

    @classmethod
    def load(cls, path: Path | str) -> Rules:
        """From its file.

        Raises:
            KnowledgeError: it is missing, damaged, or holds no rules; in one sentence.
        """
        named = f"rules {shown(path)}"
        value = read_json(path, "rules", _FIX, KnowledgeError, _LIMIT_BYTES, allow_nan=False)
        if not isinstance(value, dict) or value.get("kind") != KIND or SEAL_KEY not in value:
            raise KnowledgeError(f"{named} is no file of fusion rules; {_FIX}.")
        content, _ = unsealed(value, named, _FIX, KnowledgeError)
        if content.get("format") != FORMAT:
            raise KnowledgeError(f"{named} is of another format than {FORMAT}; {_FIX}.")
        try:
            texts = {name: _text(content[name]) for name in
                     ("model_id", "contract_sha256", "task", "base_id", "checksum")}  # fmt: skip
            made = content["made"]
            if not isinstance(made, dict):
                raise ValueError("made")
            return cls(
                **texts,
                version=_whole(content["version"], MOST_VERSIONS),
                by_k=_rules(content["by_k"]),
                local=_rules(content["local"]),
                local_from_db=_bound(content["local_from_db"]),
                made=made,
            )
        except (KeyError, TypeError, ValueError, ContractError):
            raise KnowledgeError(f"{named} holds rules that make no sense; {_FIX}.") from None


def _of_rule(rule: FusionRule) -> dict[str, Any]:
    return {
        "kernel": [rule.kernel.spread, rule.kernel.temper, rule.kernel.entry_noise],
        "own": _of_gate(rule.own),
        "new": _of_gate(rule.new),
        "guard": [_of_bound(rule.guard.snr_db), rule.guard.confidence],
        "snr_db": list(rule.snr_db),
        "temperature": list(rule.temperature),
        "spared": [list(one) for one in rule.spared],
    }


def _of_gate(gate: Gate) -> list[float]:
    return [gate.bias, gate.by_evidence, gate.by_margin]


def _of_bound(snr_db: float) -> float | None:
    """JSON has no infinity: null."""
    return snr_db if math.isfinite(snr_db) else None


def _rules(value: Any) -> dict[int, FusionRule]:
    if not isinstance(value, dict) or len(value) > _MOST_SNRS:
        raise ValueError("rules")
    found = {}
    for name, rule in value.items():
        k = _whole(int(name) if name.isascii() and name.isdigit() and len(name) < 7 else None, _MOST_K)
        guard_db, confidence = rule["guard"]
        guard = Guard(_bound(guard_db), _real(confidence))
        grid, temperatures = _reals(rule["snr_db"], _MOST_SNRS), _reals(rule["temperature"], _MOST_SNRS)
        kernel, own, new = (_reals(rule[part], 3) for part in ("kernel", "own", "new"))
        spared = _spared(rule["spared"])
        found[k] = FusionRule(k, Kernel(*kernel), Gate(*own), Gate(*new), guard, grid, temperatures, spared)
    return found


def _spared(values: Any) -> tuple[tuple[float, float, float], ...]:
    if not isinstance(values, list) or len(values) > _MOST_SNRS:
        raise ValueError("spared")
    each = []
    for one in values:
        snr_db, own, new = _reals(one, 3)
        each.append((snr_db, own, new))
    return tuple(each)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST:
        raise ValueError("text")
    return value


def _whole(value: Any, most: int) -> int:
    found = whole_number(value, 1, most)
    if found is None:
        raise ValueError("whole number")
    return found


def _real(value: Any) -> float:
    found = real_number(value, -1e6, 1e6)
    if found is None:
        raise ValueError("number")
    return found


def _bound(value: Any) -> float:
    return math.inf if value is None else _real(value)


def _reals(values: Any, most: int) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) > most:
        raise ValueError("numbers")
    return tuple(_real(value) for value in values)
