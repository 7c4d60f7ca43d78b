# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of pre-stored knowledge: what a folder says of itself and of each of its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sdr_sc.distill.targets.feature_code import FeatureCodec, parse_feature_codec
from sdr_sc.distill.targets.soft_labels import LabelCodec, parse_label_codec
from sdr_sc.documents import parse_json, real_number, whole_number
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import read_plain
from sdr_sc.sealed import digest_of
from sdr_sc.semantic.modalities.image_views import ViewPolicy
from sdr_sc.shown import shown

FORMAT = "sdr_sc prestored knowledge"
VERSION = 1
MANIFEST_FILE = "manifest.json"
BASIS_FILE = "basis.npz"

_MAY_DIFFER = {"teacher", "git", "basis_sha256", "shards"}  # a teacher is known by its fingerprint


@dataclass(frozen=True)
class Shard:
    """A file of consecutive items, and how its records compare with the teacher's own answers.

    Attributes:
        file: name in the folder.
        first_item, items: which items it holds.
        bytes, sha256: of the file.
        agreeing: views whose most probable class is the teacher's.
        kl_nats: sum over views of KL(teacher || decoded).
        correct: items whose first view the teacher puts in the labelled class.
    """

    file: str
    first_item: int
    items: int
    bytes: int
    sha256: str
    agreeing: int
    kl_nats: float
    correct: int


@dataclass(frozen=True)
class Manifest:
    """What a folder of pre-stored knowledge says of itself.

    Attributes:
        teacher, fingerprint, feature_dim: whose answers these are, as `Teacher` has them.
        data_set, data_set_sha256, items: of what.
        item_shape: (height, width).
        class_names: one for each logit.
        views: views of each item; the first is the image as it is.
        seed: of views and of the basis' sample.
        policy: how views were drawn.
        labels, features: names of the codecs.
        shard_items: items of each shard but the last.
        git: commit that the folder was begun at.
        basis_sha256: of ``basis.npz``; None where the feature codec has no basis.
        shards: those that are there, by first item.
    """

    teacher: str
    fingerprint: str
    feature_dim: int
    data_set: str
    data_set_sha256: str
    items: int
    item_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    views: int
    seed: int
    policy: ViewPolicy
    labels: str
    features: str
    shard_items: int
    git: str
    basis_sha256: str | None = None
    shards: tuple[Shard, ...] = ()

    @property
    def shard_count(self) -> int:
        """Shards of the whole folder."""
        return -(-self.items // self.shard_items)

    @property
    def complete(self) -> bool:
        """Whether all shards are there."""
        return len(self.shards) == self.shard_count

    def codecs(self) -> tuple[LabelCodec, FeatureCodec]:
        """The codecs, the one of features without its basis."""
        return parse_label_codec(self.labels, len(self.class_names)), parse_feature_codec(
            self.features, self.feature_dim
        )

    def to_json(self) -> bytes:
        """The file's content."""
        content = {"format": FORMAT, "version": VERSION, "complete": self.complete, **asdict(self)}
        return json.dumps({**content, "checksum": digest_of(content)}, indent=1).encode() + b"\n"


def shard_file(number: int) -> str:
    """Name of a shard's file."""
    return f"shard-{number:05d}.npy"


def record_dtype(labels: LabelCodec, features: FeatureCodec) -> np.dtype:
    """Type of one view's record: no padding; a codec of no bytes has no field."""
    fields: list[tuple] = [("view", "<u4"), ("label", "u1", (labels.bytes,))]
    return np.dtype(fields + ([("features", "u1", (features.bytes,))] if features.bytes else []))


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest, and no other file.

    Raises:
        ContractError: it is missing, damaged, or of another format or version.
    """
    path = folder / MANIFEST_FILE
    try:
        raw = read_plain(path)
    except OSError as error:
        raise ContractError(
            f"pre-stored knowledge {path} cannot be read ({error.strerror}); make it with 'sdr-sc prestore'."
        ) from error
    fix = "delete the folder and run 'sdr-sc prestore' again"
    content = parse_json(raw, f"{shown(path)} is damaged: it", fix, ContractError)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ContractError(f"{path} is no manifest of pre-stored knowledge; give a folder of 'sdr-sc prestore'.")
    version = content.pop("version", None)
    if version != VERSION:
        raise ContractError(
            f"{path} has version {version} of the format where {VERSION} is known; "
            "delete the folder and run 'sdr-sc prestore' again."
        )
    try:
        checksum, complete = content.pop("checksum"), content.pop("complete")
        if checksum != digest_of({"format": FORMAT, "version": version, "complete": complete, **content}):
            raise ValueError("checksum")
        _check_types(content)
        shards = tuple(Shard(**shard) for shard in content.pop("shards"))
        policy = ViewPolicy(**content.pop("policy"))
        shape, names = tuple(content.pop("item_shape")), tuple(content.pop("class_names"))
        manifest = Manifest(item_shape=shape, class_names=names, policy=policy, shards=shards, **content)
        if list(shards) != sorted(shards, key=lambda shard: shard.first_item):
            raise ValueError("shards")
        for shard in shards:
            number, beyond = divmod(shard.first_item, manifest.shard_items)
            items = min(manifest.shard_items, manifest.items - shard.first_item)
            if beyond or (shard.file, shard.items) != (shard_file(number), items) or items < 1:
                raise ValueError("shard")
        if complete != manifest.complete or len({shard.file for shard in shards}) != len(shards):
            raise ValueError("shards")
        manifest.codecs()
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, SdrScError) as error:
        raise ContractError(
            f"{path} is damaged (its entries contradict each other); delete the folder and run 'sdr-sc prestore' again."
        ) from error
    return manifest


_COUNTS = {"feature_dim": 1 << 20, "items": 1 << 32, "views": 1 << 32, "seed": 1 << 64, "shard_items": 1 << 32}
"""Of a manifest, and the largest that each can be."""
_SHARD_COUNTS = ("first_item", "items", "bytes", "agreeing", "correct")


def _check_types(content: dict[str, Any]) -> None:
    """Raise `ValueError` unless the entries have the types that readers rely on, and possible values."""
    lowest = {"feature_dim": 1, "items": 1, "views": 1, "seed": 0, "shard_items": 1}
    counts_fit = all(
        isinstance(content[name], int) and whole_number(content[name], lowest[name], most) is not None
        for name, most in _COUNTS.items()
    )
    texts = ("teacher", "fingerprint", "data_set", "data_set_sha256", "labels", "features", "git")
    lists = ("item_shape", "class_names", "shards")
    shapes_fit = (
        all(isinstance(content[name], str) for name in texts)
        and all(isinstance(content[name], list) for name in lists)
        and all(isinstance(size, int) and whole_number(size, 1, 1 << 16) for size in content["item_shape"])
        and all(isinstance(name, str) for name in content["class_names"])
        and isinstance(content["basis_sha256"], (str, type(None)))
    )
    shards_fit = shapes_fit and all(
        all(
            isinstance(shard[name], int) and whole_number(shard[name], 0, 1 << 62) is not None for name in _SHARD_COUNTS
        )
        and isinstance(shard["sha256"], str)
        and real_number(shard["kl_nats"]) is not None
        for shard in content["shards"]
    )
    if not (counts_fit and shapes_fit and shards_fit):
        raise ValueError("types")


def differences(stored: Manifest, wanted: Manifest) -> list[str]:
    """What two manifests do not agree on, in words."""

    def flat(manifest: Manifest) -> dict[str, Any]:
        plain = {f.name: getattr(manifest, f.name) for f in fields(manifest) if f.name not in _MAY_DIFFER}
        return {**plain, **asdict(plain.pop("policy"))}

    def told(value: Any) -> str:
        return value[:16] if isinstance(value, str) else str(value)

    there, here = flat(stored), flat(wanted)
    return [f"{name} {told(there[name])} there, {told(here[name])} here" for name in there if there[name] != here[name]]
