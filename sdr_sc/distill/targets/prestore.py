# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass of a teacher over views of a data set, its knowledge stored shard by shard."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from scipy.special import log_softmax

from sdr_sc.data.dataset import ImageSet
from sdr_sc.distill.targets.feature_code import PcaFeatures
from sdr_sc.distill.targets.prestored import PrestoredKnowledge, open_prestored
from sdr_sc.distill.targets.prestored_files import AGAIN, locked, read_whole, remove_partials
from sdr_sc.distill.targets.prestored_manifest import (
    BASIS_FILE,
    MANIFEST_FILE,
    Manifest,
    Shard,
    differences,
    read_manifest,
    record_dtype,
    shard_file,
)
from sdr_sc.distill.teachers.base import Teacher
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.semantic.modalities.image_views import (
    ViewPolicy,
    apply_views,
    check_item_shape,
    draw_views,
    every_view,
    identity_views,
)

BASIS_ITEMS = 4000
"""Plain images that the basis of features is fitted on, at most."""
BATCH_IMAGES = 1000
_VIEW_STREAM, _BASIS_STREAM = 0, 1


@dataclass(frozen=True)
class PrestoreConfig:
    """Settings of the pass.

    Attributes:
        views: views of each item, the plain image among them; as many as the policy has distinct ones: each once.
        labels, features: names of the codecs.
        policy: how views are drawn.
        seed: of views and of the basis' sample.
        shard_items: items of a file; what a kill costs at most.
        git: the commit, for the manifest.

    Raises:
        SdrScError: a setting makes no sense.
    """

    views: int = 4
    labels: str = "top4"
    features: str = "pca16x4"
    policy: ViewPolicy = field(default_factory=ViewPolicy)
    seed: int = 1
    shard_items: int = 2048
    git: str = "unknown"

    def __post_init__(self) -> None:
        if self.views < 1 or self.shard_items < 1 or self.seed < 0:
            raise SdrScError("pre-storing needs 1 view an item, 1 item a shard and a seed of 0, each or more.")


class Prestorer:
    """Asks a teacher once about each view; goes on where an earlier run of the same settings was stopped.

    Every shard depends on the settings and its own number alone, so that a run that was killed and gone on with gives
    the same bytes as an uninterrupted one on the same device and number of threads.

    Args:
        teacher: who is asked.
        data: the items.
        config: the settings.
        folder: where to; it is made, or holds what an earlier run left.

    Attributes:
        items_done: items that are stored already.
        redone: files of an earlier run that are missing or damaged, and so are made again.
        basis_images: plain images that the teacher is asked about first, for the basis of features.

    Raises:
        SdrScError: teacher, data, settings and what is in the folder do not fit together.
    """

    def __init__(self, teacher: Teacher, data: ImageSet, config: PrestoreConfig, folder: Path) -> None:
        if teacher.classes != len(data.class_names):
            raise ContractError(
                f"teacher {teacher.name} answers with {teacher.classes} classes where the data has "
                f"{len(data.class_names)}; take one that was fitted on this data."
            )
        check_item_shape(data.images.shape[1:])
        self._teacher, self._data, self._config, self._folder = teacher, data, config, folder
        self._manifest = Manifest(
            teacher=teacher.name,
            fingerprint=teacher.fingerprint,
            feature_dim=teacher.feature_dim,
            data_set=data.name,
            data_set_sha256=data.sha256,
            items=len(data),
            item_shape=tuple(data.images.shape[1:]),
            class_names=tuple(data.class_names),
            views=config.views,
            seed=config.seed,
            policy=config.policy,
            labels=config.labels,
            features=config.features,
            shard_items=config.shard_items,
            git=config.git,
        )
        self._labels, self._features = self._manifest.codecs()
        self.redone: list[str] = []
        self._resume()
        self.items_done = sum(shard.items for shard in self._manifest.shards)
        needs_fit = isinstance(self._features, PcaFeatures) and self._features.basis is None
        self.basis_images = min(BASIS_ITEMS, len(data)) if needs_fit else 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be done."""
        return self._manifest.complete and not self.redone

    def run(self, on_items: Callable[[int], None] = lambda _items: None) -> PrestoredKnowledge:
        """Store what is missing, and open the folder.

        Args:
            on_items: called with the number of items done since its last call.

        Raises:
            SdrScError: a file cannot be written, another process writes the folder, or the teacher's answers are not
                finite.
        """
        if not self.complete:
            with locked(self._folder):
                remove_partials(self._folder)
                self._fit_basis()
                done = {shard.file for shard in self._manifest.shards}
                for number in range(self._manifest.shard_count):
                    if shard_file(number) not in done:
                        shards = [*self._manifest.shards, self._make_shard(number, on_items)]
                        shards.sort(key=lambda shard: shard.first_item)
                        self._manifest = replace(self._manifest, shards=tuple(shards))
                        self._write_manifest()
        return open_prestored(self._folder, self._data)

    def _resume(self) -> None:
        """Take over what an earlier run left, or refuse it."""
        folder = self._folder
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return
        except OSError as error:
            raise SdrScError(f"{folder} cannot be used ({error.strerror}); choose another --out.") from error
        if MANIFEST_FILE not in names:
            others = [name for name in names if name != BASIS_FILE and not name.endswith(".partial")]
            if others:
                raise SdrScError(
                    f"folder {folder} holds {sorted(others)[0]} and no {MANIFEST_FILE}; choose another --out."
                )
            return
        stored = read_manifest(folder)
        different = differences(stored, self._manifest)
        if different:
            raise ContractError(
                f"{folder} holds knowledge of other settings: {'; '.join(different)}; "
                "give those settings, or choose another --out."
            )
        kept = tuple(shard for shard in stored.shards if self._is_whole(shard.file, shard.sha256))
        self._manifest = replace(stored, shards=kept)
        if isinstance(self._features, PcaFeatures) and self._is_whole(BASIS_FILE, str(stored.basis_sha256)):
            with contextlib.suppress(ValueError):
                self._features = self._features.read_basis((folder / BASIS_FILE).read_bytes())

    def _is_whole(self, file: str, sha256: str) -> bool:
        try:
            read_whole(self._folder / file, sha256)
        except ContractError:
            self.redone.append(file)
            return False
        return True

    def _fit_basis(self) -> None:
        if not isinstance(self._features, PcaFeatures):
            if not (self._folder / MANIFEST_FILE).exists():
                self._write_manifest()
            return
        if self._features.basis is not None:
            return
        generator = np.random.default_rng((self._config.seed, _BASIS_STREAM))
        chosen = np.sort(generator.choice(len(self._data), self.basis_images, replace=False))
        batches = np.split(chosen, range(BATCH_IMAGES, len(chosen), BATCH_IMAGES))
        sample = [self._ask(torch.from_numpy(self._data.images[batch]))[1] for batch in batches]
        fitted = self._features.fit(np.concatenate(sample))
        assert fitted.basis is not None
        content = fitted.basis.to_npz()
        sha256 = hashlib.sha256(content).hexdigest()
        if self._manifest.shards and self._manifest.basis_sha256 != sha256:
            raise ContractError(
                f"{self._folder / BASIS_FILE} is missing or damaged and cannot be made the same again here; "
                f"delete the folder {self._folder} and run 'sdr-sc prestore' again."
            )
        self._features, self._manifest = fitted, replace(self._manifest, basis_sha256=sha256)
        self._write(BASIS_FILE, content)
        self._write_manifest()

    def _make_shard(self, number: int, on_items: Callable[[int], None]) -> Shard:
        config, first = self._config, number * self._config.shard_items
        items = min(config.shard_items, len(self._data) - first)
        generator = np.random.default_rng((config.seed, _VIEW_STREAM, number))
        views = every_view(config.policy)
        if config.views == len(views):
            views = np.tile(views, (items, 1))
        else:
            drawn = draw_views(config.policy, self._manifest.item_shape, items * (config.views - 1), generator)
            views = np.concatenate([identity_views(items)[:, None], drawn.reshape(items, -1)], axis=1)
        records = np.zeros((items, config.views), record_dtype(self._labels, self._features))
        records["view"] = views
        agreeing, kl_nats, correct = 0, 0.0, 0
        step = max(1, BATCH_IMAGES // config.views)
        for start in range(0, items, step):
            part = slice(start, min(start + step, items))
            images = torch.tensor(self._data.images[first + part.start : first + part.stop])
            shown = apply_views(images.repeat_interleave(config.views, 0), views[part].ravel())
            logits, features = self._ask(shown)
            labels = self._labels.encode(logits)
            records["label"][part] = labels.reshape(*views[part].shape, -1)
            if self._features.bytes:
                records["features"][part] = self._features.encode(features).reshape(*views[part].shape, -1)
            log_probabilities, decoded = log_softmax(logits.astype(np.float64), axis=1), self._labels.decode(labels)
            best = logits.argmax(axis=1)
            agreeing += int(np.sum(best == decoded.argmax(axis=1)))
            kl_nats += float(np.sum(np.exp(log_probabilities) * (log_probabilities - decoded)))
            truth = self._data.labels[first + part.start : first + part.stop]
            correct += int(np.sum(best.reshape(views[part].shape)[:, 0] == truth))
            on_items(part.stop - part.start)
        target = io.BytesIO()
        np.save(target, records, allow_pickle=False)
        content = target.getvalue()
        self._write(shard_file(number), content)
        sha256 = hashlib.sha256(content).hexdigest()
        return Shard(shard_file(number), first, items, len(content), sha256, agreeing, kl_nats, correct)

    def _ask(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Logits and features, float32 (n, classes) and (n, feature_dim)."""
        answer = self._teacher.ask(images)
        logits, features = answer.logits.float().cpu().numpy(), answer.features.float().cpu().numpy()
        if not (np.isfinite(logits).all() and np.isfinite(features).all()):
            raise ContractError(f"teacher {self._teacher.name} gives answers that are not finite; fix the teacher.")
        return logits, features

    def _write_manifest(self) -> None:
        self._write(MANIFEST_FILE, self._manifest.to_json())

    def _write(self, file: str, content: bytes) -> None:
        write_whole({self._folder / file: content}, f"fix that and {AGAIN} to go on")
