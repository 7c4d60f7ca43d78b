# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of a teacher's pre-stored knowledge, a folder whose format docs/prestored.md describes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.targets.feature_code import PcaFeatures
from sdr_sc.distill.targets.prestored_files import AGAIN, read_whole
from sdr_sc.distill.targets.prestored_manifest import (
    BASIS_FILE,
    MANIFEST_FILE,
    Manifest,
    Shard,
    read_manifest,
    record_dtype,
)
from sdr_sc.errors import ContractError


@dataclass(frozen=True)
class Targets:
    """What the teacher knows about some views.

    Attributes:
        views: uint32 (n,), for `sdr_sc.semantic.modalities.image_views.apply_views`.
        log_probabilities: float32 (n, classes).
        features: float32 (n, feature_dim), see `sdr_sc.distill.targets.feature_code.FeatureCodec.decode`; None
            where none are stored.
    """

    views: np.ndarray
    log_probabilities: np.ndarray
    features: np.ndarray | None


class PrestoredKnowledge:
    """A complete folder, read through memory maps; `open_prestored` makes it.

    Attributes:
        manifest: what the folder says of itself.
        items: number of items.
        views: views of each item.
        feature_dim: length of a decoded feature vector; 0 where none are stored.
        bytes_per_view: size of all files of the folder over all views.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest, self.items, self.views = manifest, manifest.items, manifest.views
        self._labels, self._features = manifest.codecs()
        if isinstance(self._features, PcaFeatures):
            path = folder / BASIS_FILE
            try:
                self._features = self._features.read_basis(read_whole(path, str(manifest.basis_sha256)))
            except ValueError as error:
                raise ContractError(f"{path} is damaged ({error}); delete the folder and {AGAIN}.") from error
        self.feature_dim = self._features.dimensions
        dtype = record_dtype(self._labels, self._features)
        self._record_bytes = dtype.itemsize
        self._shards = [_open_shard(folder / shard.file, shard, manifest.views, dtype) for shard in manifest.shards]
        files = [folder / MANIFEST_FILE, *([folder / BASIS_FILE] if manifest.basis_sha256 else [])]
        size = sum(path.stat().st_size for path in files) + sum(shard.bytes for shard in manifest.shards)
        self.bytes_per_view = size / (self.items * self.views)

    def targets(self, items: np.ndarray, view: np.ndarray) -> Targets:
        """Knowledge of some views, in any order.

        Args:
            items: integers (n,), 0..items - 1.
            view: integers (n,), 0..views - 1.

        Raises:
            IndexError: there is no such item or view.
        """
        items, view = np.asarray(items), np.asarray(view)
        for values, end in ((items, self.items), (view, self.views)):
            if len(values) and not (0 <= values.min() and values.max() < end):
                raise IndexError(f"an index is outside of 0..{end - 1}")
        number, row = np.divmod(items, self.manifest.shard_items)
        row = row * self.views + view
        order = np.argsort(number, kind="stable")
        row, ends = row[order], np.searchsorted(number[order], np.arange(len(self._shards) + 1))
        taken = np.empty((len(items), self._record_bytes), np.uint8)
        for shard, start, end in zip(self._shards, ends, ends[1:], strict=False):
            if start < end:
                taken[start:end] = shard[row[start:end]]
        records = np.empty_like(taken)
        records[order] = taken
        split = 4 + self._labels.bytes
        views = np.ascontiguousarray(records[:, :4]).view("<u4")[:, 0]
        return Targets(views, self._labels.decode(records[:, 4:split]), self._features.decode(records[:, split:]))


def open_prestored(folder: str | Path, data: ImageSet | None = None, may_be_part: bool = False) -> PrestoredKnowledge:
    """Open a folder of ``sdr-sc prestore`` after checking every byte of it.

    Args:
        folder: where it is.
        data: the data set that it is to be used with, to be checked; None for no check.
        may_be_part: whether knowledge of the first items alone will do, as ``sdr-sc prestore --limit`` stores it.

    Raises:
        ContractError: it is missing, incomplete, damaged, or belongs to other data.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    same_items = data is None or manifest.items == len(data) or (may_be_part and manifest.items < len(data))
    if data is not None and (manifest.data_set_sha256 != data.sha256 or not same_items):
        raise ContractError(
            f"pre-stored knowledge {folder} belongs to {manifest.items} items of {manifest.data_set} "
            f"({manifest.data_set_sha256[:16]}) and not to these {len(data)} ({data.sha256[:16]}); "
            "run 'sdr-sc prestore' on this data into another folder, without --limit or with the same number of items."
        )
    if not manifest.complete:
        raise ContractError(
            f"pre-stored knowledge {folder} is incomplete: {len(manifest.shards)} of {manifest.shard_count} shards are "
            f"there; {AGAIN} to go on."
        )
    return PrestoredKnowledge(folder, manifest)


def _open_shard(path: Path, shard: Shard, views: int, dtype: np.dtype) -> np.ndarray:
    """The shard's records through a memory map, uint8 (items * views, record bytes)."""
    read_whole(path, shard.sha256, shard.bytes)
    try:
        records = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ContractError(f"{path} is no array file; delete it and {AGAIN}.") from error
    if records.dtype != dtype or records.shape != (shard.items, views) or not records.flags.c_contiguous:
        raise ContractError(f"{path} holds other records than the manifest says; delete it and {AGAIN}.")
    return np.asarray(records).view(np.uint8).reshape(shard.items * views, dtype.itemsize)
