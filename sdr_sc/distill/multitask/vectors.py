# SPDX-License-Identifier: GPL-3.0-or-later
"""What a large model says of items, asked once and kept in few bytes: reduced vectors of 8 bits a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdr_sc.array_file import read_arrays, write_arrays
from sdr_sc.data.dataset import Dataset
from sdr_sc.errors import SdrScError
from sdr_sc.semantic.gallery import unit_rows
from sdr_sc.shown import shown

LEVELS = 127
_KIND, _FIX = "vectors of a teacher", "make it again"


@dataclass(frozen=True)
class TeacherVectors:
    """Vectors of a data set's parts.

    Attributes:
        teacher: name of the large model.
        data_sha256: checksums of the parts' data, by part.
        codes: int8 (items, dimensions) of each part; a vector is its codes at unit length.
        mean, basis: float32 (width,) and (dimensions, width), by which the teacher's own vectors were reduced.
        kept: share of the teacher's variance that the dimensions hold, on the training part.
    """

    teacher: str
    data_sha256: dict[str, str]
    codes: dict[str, np.ndarray]
    mean: np.ndarray
    basis: np.ndarray
    kept: float

    @property
    def dimensions(self) -> int:
        """Of a vector."""
        return len(self.basis)

    @property
    def bytes_a_view(self) -> int:
        """What is kept of one item."""
        return self.dimensions

    def of(self, part: str, sha256: str) -> np.ndarray:
        """Unit vectors of a part, float32 (items, dimensions).

        Raises:
            SdrScError: there are none, or they are of other data.
        """
        if self.data_sha256.get(part) != sha256:
            raise SdrScError(f"the vectors of {shown(self.teacher)} are not of this data set's part {part!r}; {_FIX}.")
        return unit_rows(self.codes[part].astype(np.float32))

    def reduced(self, vectors: np.ndarray) -> np.ndarray:
        """The teacher's vectors of other items in the same form: float32 (n, dimensions), of unit length."""
        return unit_rows((vectors.astype(np.float32) - self.mean) @ self.basis.T)

    def cosine_to(self, parts: Mapping[str, np.ndarray]) -> float:
        """What 8 bits a number leave: mean cosine to the reduced vectors before they were coded.

        Args:
            parts: the teacher's own vectors, (items, width) by part.
        """
        found = [(unit_rows(self.codes[part].astype(np.float32)) * self.reduced(one)).sum(axis=1) for part, one in
                 parts.items()]  # fmt: skip
        return float(np.concatenate(found).mean())

    def save(self, path: Path) -> None:
        """Write them to a file.

        Raises:
            SdrScError: it cannot be written.
        """
        about = {"teacher": self.teacher, "data_sha256": self.data_sha256, "kept": self.kept}
        arrays = {f"codes.{part}": codes for part, codes in self.codes.items()}
        write_arrays(path, _KIND, arrays | {"mean": self.mean, "basis": self.basis}, about)

    @classmethod
    def load(cls, path: Path) -> TeacherVectors:
        """Read what `save` wrote.

        Raises:
            SdrScError: it is missing, damaged, or of another kind.
        """
        arrays, about = read_arrays(path, _KIND, "file of vectors", _FIX)
        codes = {name.partition(".")[2]: value for name, value in arrays.items() if name.startswith("codes.")}
        mean, basis = arrays.get("mean"), arrays.get("basis")
        sums, teacher, kept = about.get("data_sha256"), about.get("teacher"), about.get("kept")
        is_whole = (
            isinstance(teacher, str) and isinstance(kept, float) and isinstance(sums, dict) and set(sums) == set(codes)
            and mean is not None and basis is not None and basis.ndim == 2 and mean.shape == basis.shape[1:]
            and all(one.dtype == np.int8 and one.ndim == 2 and one.shape[1] == len(basis) for one in codes.values())
        )  # fmt: skip
        if not is_whole:
            raise SdrScError(f"{shown(path)} holds no vectors of a teacher; {_FIX}.")
        assert isinstance(teacher, str) and isinstance(sums, dict) and isinstance(kept, float)
        assert mean is not None and basis is not None
        return cls(teacher, sums, codes, mean, basis, kept)


def reduce_vectors(
    teacher: str,
    parts: dict[str, np.ndarray],
    data_sha256: dict[str, str],
    dimensions: int,
    space: TeacherVectors | None = None,
) -> TeacherVectors:
    """Reduce a teacher's vectors by the principal components of the training part, and code them.

    Args:
        parts: float (items, width) by part, ``train`` among them.
        data_sha256: checksum of each part's data.
        dimensions: that are kept.
        space: other items' vectors of the same teacher, to reduce these in the same way, so that items of both can be
            compared; None for the principal components of these.

    Raises:
        SdrScError: there are fewer dimensions than are to be kept, or ``space`` is another teacher's.

    >>> rng = np.random.default_rng(1)
    >>> found = reduce_vectors("t", {"train": rng.normal(size=(50, 6))}, {"train": "0"}, 2)
    >>> found.of("train", "0").shape, found.bytes_a_view, 0.3 < found.kept < 0.7
    ((50, 2), 2, True)
    """
    train = parts["train"].astype(np.float64)
    if space is not None and (space.teacher, space.basis.shape[1]) != (teacher, train.shape[1]):
        raise SdrScError(
            f"the vectors to be compared with are those of {shown(space.teacher)}, not of {shown(teacher)}."
        )
    if not 1 <= dimensions <= train.shape[1]:
        raise SdrScError(f"{dimensions} dimensions of {train.shape[1]} are to be kept; give 1 to {train.shape[1]}.")
    if space is None:
        mean, basis = _components(train, dimensions)
    else:
        mean, basis = space.mean.astype(np.float64), space.basis.astype(np.float64)
    codes = {part: coded((one.astype(np.float64) - mean) @ basis.T) for part, one in parts.items()}
    kept = float(np.square((train - mean) @ basis.T).sum() / np.square(train - mean).sum())
    return TeacherVectors(teacher, dict(data_sha256), codes, mean.astype(np.float32), basis.astype(np.float32), kept)


def _components(train: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and first principal components of vectors: float64 (width,) and (dimensions, width)."""
    mean = train.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov((train - mean).T))
    basis = directions[:, ::-1][:, :dimensions].T
    signs = np.sign(basis[np.arange(dimensions), np.abs(basis).argmax(axis=1)])  # of two that are as good
    return mean, basis * signs[:, None]


def coded(vectors: np.ndarray) -> np.ndarray:
    """Directions of vectors (n, dimensions) in 8 bits a number: int8, the largest one of each row at `LEVELS`."""
    scale = LEVELS / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9)
    return np.round(vectors * scale).astype(np.int8)


def reduce_together(
    teacher: str,
    sets: Mapping[str, Mapping[str, np.ndarray]],
    data_sha256: Mapping[str, Mapping[str, str]],
    dimensions: int,
    space: TeacherVectors | None = None,
    own_mean: bool = False,
) -> dict[str, TeacherVectors]:
    """Reduce a teacher's vectors of several data sets by the principal components of their training parts together.

    Args:
        sets: float (items, width) by data set and part.
        data_sha256: checksums by data set and part.
        dimensions, space: as of `reduce_vectors`, errors too.
        own_mean: with a space, take its components but the mean of these sets together.

    >>> rng = np.random.default_rng(1)
    >>> sets = {name: {"train": rng.normal(size=(30, 6))} for name in "ab"}
    >>> one, other = reduce_together("t", sets, {name: {"train": name} for name in "ab"}, 2).values()
    >>> one.of("train", "a").shape, bool((one.basis == other.basis).all())
    ((30, 2), True)
    """
    together = np.concatenate([parts["train"] for parts in sets.values()])
    if space is None:
        space = reduce_vectors(teacher, {"train": together}, {"train": ""}, dimensions)
    elif own_mean:
        space = replace(space, mean=together.mean(axis=0, dtype=np.float64).astype(np.float32))
    return {
        name: reduce_vectors(teacher, dict(parts), dict(data_sha256[name]), dimensions, space)
        for name, parts in sets.items()
    }


def vectors_of(path: Path, data: Dataset, dimensions: int | None = None) -> np.ndarray:
    """Vectors of a file, aligned with a data set's part: float32 (items, dimensions), of unit length.

    Args:
        path: of ``sdr-sc teacher vectors`` or ``sdr-sc teacher bridge``.
        data: the part, such as ``load_dataset("noto_emoji", "train")``.
        dimensions: the first of them, which hold the most; None for all.

    Raises:
        SdrScError: the file cannot be read, or is of other data.
    """
    return unit_rows(TeacherVectors.load(path).of(data.split, data.sha256)[:, :dimensions])
