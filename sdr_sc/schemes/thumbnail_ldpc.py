# SPDX-License-Identifier: GPL-3.0-or-later
"""A tuned digital image: thumbnails of few levels, entropy-coded over a frame's items, LDPC and QAM, and their
classifier."""

from __future__ import annotations

from typing import Any

from sdr_sc.data.dataset import DEFAULT_DATA_SET
from sdr_sc.errors import SdrScError
from sdr_sc.schemes.digital.grouped import GroupedScheme
from sdr_sc.schemes.model_files import NOTHING, sha256_of, size_of_tensors
from sdr_sc.schemes.thumbnail.source import FOLDER, ThumbnailSource
from sdr_sc.shown import shown

K_LIST = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
_PATTERN = "thumbnail_*.safetensors"


class ThumbnailScheme(GroupedScheme):
    """Thumbnails of the settings that come with the package, see `sdr_sc.schemes.thumbnail.fit`.

    Args:
        name: what results call it.
        target: see `GroupedScheme`.
        data_set: must be the one that the settings are of.

    Raises:
        SdrScError: another data set; a setting's file is missing or damaged.
    """

    def __init__(self, name: str, target: int = 0, data_set: str = DEFAULT_DATA_SET) -> None:
        if data_set != DEFAULT_DATA_SET:
            raise SdrScError(
                f"the thumbnail coder is fitted to {DEFAULT_DATA_SET}, not to {shown(data_set)}; leave "
                f"scheme {name} out."
            )
        self._paths = sorted(FOLDER.glob(_PATTERN))
        if not self._paths:
            raise SdrScError(
                f"the settings of scheme {name} are missing in {FOLDER}; make them with "
                "'python -m sdr_sc.schemes.thumbnail.fit'."
            )
        super().__init__(name, [ThumbnailSource.read(path) for path in self._paths], K_LIST, target)

    def describe(self) -> dict[str, Any]:
        """Settings and their files, code, and sizes: of the largest setting's classifier, and of the context models."""

        def is_context(name: str) -> bool:
            return name.startswith(("context", "levels"))

        return {
            "scheme": self.name,
            "kind": "thumbnail, context model, range coder + LDPC + QAM",
            **self.describe_sources(),
            "files_sha256": {path.name: sha256_of(path) for path in self._paths},
            "sizes": {
                "transmitter": _largest([size_of_tensors(path, is_context) for path in self._paths]),
                "receiver": _largest([size_of_tensors(path) for path in self._paths]),
            },
        }


def _largest(sizes: list[dict[str, int]]) -> dict[str, int]:
    return max(sizes, key=lambda size: size.get("bytes", 0), default=dict(NOTHING))
