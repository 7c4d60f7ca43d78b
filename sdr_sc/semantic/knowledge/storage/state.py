# SPDX-License-Identifier: GPL-3.0-or-later
"""What a base says of itself: which one it is, of what model, version and content, and who signed that."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from sdr_sc.documents import parse_json, real_number, whole_number
from sdr_sc.errors import KnowledgeError
from sdr_sc.sealed import canonical, digest_of
from sdr_sc.semantic.contract import ModelContract
from sdr_sc.semantic.knowledge.entries import LARGEST_DIMENSION, LONGEST_TITLE, MOST_ENTRIES
from sdr_sc.semantic.knowledge.interface import VectorSpace
from sdr_sc.shown import shown

FORMAT = 1
GLOBAL, LOCAL = "knowledge base", "local knowledge base"
MOST_VERSIONS = 1 << 53
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class State:
    """A base in one version.

    Attributes:
        kind: `GLOBAL` or `LOCAL`.
        base_id: 16 hexadecimal digits, the same in all versions.
        space: what its vectors were made by.
        title: for people.
        version: rises with every change, from 1.
        entries: how many.
        checksum: of its content, see `entries.checksum_of`; '' of a local base, which changes too often.
        made_s: when this version was made, seconds since 1970.
        signer, signature: ed25519 public key and signature over `statement`, hexadecimal; '' where it is not signed.
    """

    kind: str
    base_id: str
    space: VectorSpace
    title: str
    version: int
    entries: int
    checksum: str
    made_s: float
    signer: str = ""
    signature: str = ""

    def statement(self) -> bytes:
        """What is signed: all of it but signer and signature."""
        content = asdict(self)
        del content["signer"], content["signature"]
        return b"sdr_sc " + canonical({"format": FORMAT, **content})

    def to_json(self) -> str:
        """As JSON text with sorted keys."""
        return canonical({"format": FORMAT, **asdict(self)}).decode()

    def named(self) -> str:
        """For people: title, id and version."""
        return f"{shown(repr(self.title), 60)} ({self.base_id}, version {self.version})"


def encoder_checksum(contract: ModelContract) -> str:
    """SHA-256 over what of a contract decides the features of an item: its weights (by their id), modality, networks,
    power norm, largest k and range of SNRs.

    What ``sdr-sc calibrate`` measures (table, calibration, refinement, k list) is not in it, nor are names of answers.
    """
    return digest_of(
        {
            "model_id": contract.model_id,
            "modality": asdict(contract.modality),
            "architecture": contract.architecture,
            "power_norm": contract.power_norm,
            "k_max": contract.k_max,
            "training_snr_db": [float(snr_db) for snr_db in contract.training_snr_db],
        }
    )


def contract_checksum(contract: ModelContract) -> str:
    """SHA-256 of a whole contract, as its JSON text holds it: what bases of earlier programs are bound to."""
    return parse_json(contract.to_json(), "model contract", "export the model again")["sha256"]


def check_model(state: State, contract: ModelContract, named: str) -> None:
    """Refuse a base that another model's vectors are in.

    Args:
        named: the base, for the sentence.

    Raises:
        KnowledgeError: the model, or what of its contract decides the features, is another one; or the base was made
            by an earlier program, which bound it to the whole contract, and that is another one.
    """
    if state.space.model_id != contract.model_id:
        raise KnowledgeError(
            f"{named} is for model {state.space.model_id}, and model {shown(contract.name)!r} is {contract.model_id}; "
            "build it again for that, or give the model that it is for."
        )
    if state.space.contract_sha256 not in (encoder_checksum(contract), contract_checksum(contract)):
        raise KnowledgeError(
            f"{named} is for another contract of model {shown(contract.name)!r}: its encoder's was changed, or an "
            "earlier program made the base and the model was calibrated since; build it again."
        )


def read_state(text: object, named: str) -> State:
    """What `State.to_json` wrote.

    Args:
        text: as it was found; a value that is no text is refused, too.
        named: the file, for the sentence.

    Raises:
        KnowledgeError: it is none, or of a later format.
    """
    fix = "get it again"
    if not isinstance(text, str):
        raise KnowledgeError(f"{named} does not say what it is; {fix}.")
    return state_of(parse_json(text, named, fix, KnowledgeError, allow_nan=False), named)


def state_of(value: Any, named: str) -> State:
    """The same of a JSON value."""
    damaged = KnowledgeError(f"{named} says of itself what makes no sense; get it again.")
    if not isinstance(value, dict):
        raise damaged
    if value.get("format") != FORMAT:
        raise KnowledgeError(
            f"{named} is of format {shown(repr(value.get('format')), 40)}, and this program reads {FORMAT}; use a "
            "program of its time."
        )
    space = value.get("space")
    if set(value) != {"format", *(one.name for one in fields(State))} or not isinstance(space, dict):
        raise damaged
    if set(space) != {one.name for one in fields(VectorSpace)}:
        raise damaged
    is_local = value["kind"] == LOCAL
    good = (
        value["kind"] in (GLOBAL, LOCAL)
        and _is_hex(value["base_id"], 16) and _is_hex(space["model_id"], 16) and _is_hex(space["contract_sha256"], 64)
        and _is_text(space["name"]) and _is_text(value["title"])
        and _is_whole(space["dimension"], 1, LARGEST_DIMENSION)
        and _is_whole(value["version"], 0 if is_local else 1, MOST_VERSIONS)
        and _is_whole(value["entries"], 0, MOST_ENTRIES)
        and _is_hex(value["checksum"], 0 if is_local else 64)
        and real_number(value["made_s"], 0.0) is not None
        and (_is_hex(value["signer"], 64) and _is_hex(value["signature"], 128)
             or value["signer"] == value["signature"] == "")
    )  # fmt: skip
    if not good:
        raise damaged
    return State(**{name: part for name, part in value.items() if name not in ("format", "space")},
                 space=VectorSpace(**space))  # fmt: skip


def _is_hex(value: Any, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and (not digits or bool(_HEX.fullmatch(value)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TITLE


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and whole_number(value, low, high) is not None
