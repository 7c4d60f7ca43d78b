# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs of a teacher's features: the vector itself, or a few bits for each of its principal components."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field, replace

import numpy as np

from sdr_sc.distill.targets.soft_labels import pack_nibbles, unpack_nibbles
from sdr_sc.errors import ContractError, SdrScError

CLIP_SIGMAS = {4: 3.0, 8: 4.0, 32: 100.0}
"""Bits of a code -> largest score that it holds: few codes are better spent on what is frequent."""

_LEAST_SHARE = 1e-9  # of the first component's variance: what is below is rounding, not a direction


@dataclass(frozen=True)
class FeatureCodec:
    """How features are stored; this one stores none.

    Attributes:
        name: the text that `parse_feature_codec` reads.
        bytes: size of one view's record.
        dimensions: length of a decoded vector; 0 where none is stored.
    """

    name: str
    bytes: int = 0
    dimensions: int = 0

    def fit(self, features: np.ndarray) -> FeatureCodec:
        """The codec, fitted to features, float32 (n, feature_dim), of a sample.

        Raises:
            ContractError: they vary in fewer directions than are to be stored.
        """
        return self

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Records, uint8 (n, bytes), of features, float32 (n, feature_dim)."""
        return np.empty((len(features), 0), np.uint8)

    def decode(self, records: np.ndarray) -> np.ndarray | None:
        """What a student regresses, float32 (n, dimensions), of records, uint8 (n, bytes); None where none is stored.

        These are the features as they are, or the whitened scores of their principal components.
        """
        return None


@dataclass(frozen=True)
class FloatFeatures(FeatureCodec):
    """The features as little-endian floats; what float16 cannot hold is clipped."""

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype(self.name).newbyteorder("<")

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `FeatureCodec.encode`."""
        limits = np.finfo(self._dtype)
        return np.ascontiguousarray(np.clip(features, limits.min, limits.max), self._dtype).view(np.uint8)

    def decode(self, records: np.ndarray) -> np.ndarray:
        """See `FeatureCodec.decode`."""
        return np.ascontiguousarray(records).view(self._dtype).astype(np.float32)


@dataclass(frozen=True)
class Basis:
    """Principal components of a sample of features; the arrays of ``basis.npz``.

    Attributes:
        mean: float32 (feature_dim,).
        components: float32 (dimensions, feature_dim), orthonormal rows, the largest variance first.
        scale: float32 (dimensions,), standard deviation of the sample along each.
        clip_sigmas: float32 (), the largest score that a code holds.
    """

    mean: np.ndarray
    components: np.ndarray
    scale: np.ndarray
    clip_sigmas: np.ndarray

    def to_npz(self) -> bytes:
        """The file's content; equal bases give equal bytes."""
        target = io.BytesIO()
        np.savez(target, **vars(self))
        return target.getvalue()


@dataclass(frozen=True)
class PcaFeatures(FeatureCodec):
    """Whitened scores of principal components, ``bits`` each, uniform steps between plus and minus ``clip_sigmas``.

    Attributes:
        feature_dim: length of the vectors that are encoded.
        bits: 4, 8, or 32 for scores that are not quantised.
        basis: None before `fit`.
    """

    feature_dim: int = 0
    bits: int = 4
    basis: Basis | None = None
    _levels: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    def fit(self, features: np.ndarray) -> PcaFeatures:
        """See `FeatureCodec.fit`. A component's sign is such that its entry of largest magnitude is positive."""
        centred = features.astype(np.float64)
        mean = centred.mean(axis=0)
        centred -= mean
        variance, vectors = np.linalg.eigh(centred.T @ centred / len(features))
        variance, vectors = variance[::-1], vectors[:, ::-1].T
        useful = int(np.sum(variance > max(_LEAST_SHARE * variance[0], np.finfo(np.float32).tiny)))
        if useful < self.dimensions:
            fix = f"pca{useful}x{self.bits} or none" if useful else "none"
            raise ContractError(
                f"the features of {len(features)} items vary in {useful} directions where {self.name} stores "
                f"{self.dimensions}; give --features {fix}, or more items."
            )
        components = vectors[: self.dimensions]
        largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
        return self.with_basis(
            Basis(
                mean.astype(np.float32),
                (components * np.sign(largest)).astype(np.float32),
                np.sqrt(variance[: self.dimensions]).astype(np.float32),
                np.float32(CLIP_SIGMAS[self.bits]).reshape(()),
            )
        )

    def with_basis(self, basis: Basis) -> PcaFeatures:
        """The codec with a basis that was fitted before."""
        if self.bits == 32:
            return replace(self, basis=basis)
        clip, count = float(basis.clip_sigmas), 1 << self.bits
        levels = ((np.arange(count) + 0.5) * (2 * clip / count) - clip).astype(np.float32)
        return replace(self, basis=basis, _levels=levels)

    def read_basis(self, content: bytes) -> PcaFeatures:
        """The codec with the basis of a file's content.

        Raises:
            ValueError: the content is no such file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                basis = Basis(*(arrays[name] for name in ("mean", "components", "scale", "clip_sigmas")))
        except Exception as error:  # zipfile, zlib and numpy each have errors of their own
            raise ValueError("it is not a basis") from error
        n, dim = self.dimensions, self.feature_dim
        shapes = {"mean": (dim,), "components": (n, dim), "scale": (n,), "clip_sigmas": ()}
        for name, shape in shapes.items():
            value = getattr(basis, name)
            if value.shape != shape or value.dtype != np.float32 or not np.isfinite(value).all():
                raise ValueError(f"its array {name!r} is not float32 of shape {shape}")
        return self.with_basis(basis)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Whitened scores before they are coded, float32 (n, dimensions), of features, float32 (n, feature_dim)."""
        if self.basis is None:
            raise ValueError("the codec has no basis yet; call fit")
        return ((features - self.basis.mean) @ self.basis.components.T / self.basis.scale).astype(np.float32)

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `FeatureCodec.encode`."""
        scores = self.scores(features)
        assert self.basis is not None
        clip, count = float(self.basis.clip_sigmas), 1 << self.bits
        if self.bits == 32:
            return np.ascontiguousarray(np.clip(scores, -clip, clip), "<f4").view(np.uint8)
        codes = np.clip(np.floor((scores + clip) * (count / (2 * clip))), 0, count - 1).astype(np.uint8)
        return pack_nibbles(codes) if self.bits == 4 else codes

    def decode(self, records: np.ndarray) -> np.ndarray:
        """See `FeatureCodec.decode`: the middle of each code's step."""
        if self.bits == 32:
            return np.ascontiguousarray(records).view("<f4").astype(np.float32)
        codes = unpack_nibbles(records, self.dimensions) if self.bits == 4 else records
        return self._levels[codes]


def parse_feature_codec(text: str, feature_dim: int) -> FeatureCodec:
    """The codec of a name.

    Args:
        text: ``none``, ``float32`` or ``float16`` (the vector as it is), or ``pcaDxB``: D principal components with
            B = 4, 8 or 32 bits each, such as ``pca16x4``.
        feature_dim: length of the teacher's vectors.

    Raises:
        SdrScError: there is no such codec for vectors of this length.

    >>> parse_feature_codec("pca16x4", 1280).bytes, parse_feature_codec("float16", 1280).bytes
    (8, 2560)
    """
    if text == "none":
        return FeatureCodec(text)
    if text in ("float32", "float16"):
        return FloatFeatures(text, feature_dim * np.dtype(text).itemsize, feature_dim)
    found = re.fullmatch(r"pca([1-9]\d{0,4})x(4|8|32)", text)
    if found and int(found[1]) <= feature_dim:
        dimensions, bits = int(found[1]), int(found[2])
        size = -(-dimensions * bits // 8)
        return PcaFeatures(text, size, dimensions, feature_dim=feature_dim, bits=bits)
    raise SdrScError(
        f"there is no feature codec {text!r} for {feature_dim} features; give none, float32, float16, or "
        f"pcaDxB with D from 1 to {feature_dim} and B of 4, 8 or 32, such as pca{min(16, feature_dim)}x4."
    )
