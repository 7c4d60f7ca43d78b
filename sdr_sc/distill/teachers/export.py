# SPDX-License-Identifier: GPL-3.0-or-later
"""A fitted teacher as one ONNX file, which `sdr_sc.distill.teachers.onnx.OnnxTeacher` and any other runtime read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sdr_sc.distill.export.onnx_write import trace, with_metadata
from sdr_sc.distill.teachers.base import Teacher, as_batch
from sdr_sc.distill.teachers.efficientnet import EfficientNetLite2, EfficientNetTeacher, load
from sdr_sc.distill.teachers.onnx import OnnxTeacher
from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.files import write_whole
from sdr_sc.places import scratch_folder
from sdr_sc.semantic import onnx_file

TOLERANCE = 1e-3
CARD_KEY = "sdr_sc_teacher_card"


@dataclass(frozen=True)
class TeacherAgreement:
    """Largest absolute differences between a teacher and its export, over ``images`` images."""

    logits: float
    features: float
    images: int


class _WithPixelsOfOne(nn.Module):
    """The teacher from grey pixels of 0 to 1 on, with its resize as two products with fixed matrices.

    Bilinear resizing with antialias is linear and separable, but the operator set of the file lacks the antialias.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, network: EfficientNetLite2, item_shape: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        size = network.image_size
        self.register_buffer("rows", _resize_matrix(item_shape[0], size))
        self.register_buffer("columns", _resize_matrix(item_shape[1], size).T.contiguous())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(torch.matmul(torch.matmul(self.rows, images * 255.0), self.columns))


def _resize_matrix(before: int, after: int) -> Tensor:
    """(after, before), what `torch.nn.functional.interpolate` does to one axis."""
    if before == after:
        return torch.eye(before)
    # A resize of both axes of the identity would blur it twice: the second axis keeps its size.
    columns = torch.eye(before).view(1, 1, before, before)
    return nn.functional.interpolate(columns, (after, before), mode="bilinear", antialias=True)[0, 0]


def export_teacher(source: Path, out: Path, images: Tensor) -> TeacherAgreement:
    """Write a fitted teacher as ONNX, for images of one size, after checking that it answers alike.

    The file takes float32 pixels of 0 to 1, (n, channels, height, width), and gives ``logits`` and ``features``. The
    teacher's card is in its metadata.

    Args:
        source: file of ``sdr-sc teacher fit``.
        out: file to write, which has to end in ``.onnx``.
        images: uint8 (n, [3,] height, width), the images to check with, two or more.

    Raises:
        ContractError: the teacher cannot be used, or the graph differs by more than `TOLERANCE` in a logit.
        SdrScError: the file cannot be written.
    """
    if out.suffix != ".onnx":
        raise SdrScError(f"the teacher's file {out} has to end in .onnx, by which it is known; rename --out.")
    network, card = load(source)
    channels, *sides = as_batch(images).shape[1:]
    item_shape = (int(sides[0]), int(sides[1]))
    module = _WithPixelsOfOne(network.to(memory_format=torch.contiguous_format), item_shape).eval()
    content = trace(module, {"images": torch.zeros(2, channels, *item_shape)}, ["logits", "features"])
    content = onnx_file.seal(with_metadata(content, {"mean": "0", "std": "1", CARD_KEY: json.dumps(asdict(card))}))

    with scratch_folder() as folder:
        # Checked as a file, which is how it will be used.
        trial = Path(folder) / out.name
        write_whole({trial: content})
        exported = OnnxTeacher(trial, "cpu", tuple(images.shape[1:]))
        found = compare(EfficientNetTeacher(source, torch.device("cpu")), exported, images)
    if not found.logits <= TOLERANCE:
        raise ContractError(
            f"{out} was not written, because its logits differ from the teacher's by {found.logits:.2g}, more than "
            f"{TOLERANCE:g}; report this with the teacher."
        )
    write_whole({out: content}, "choose another --out")
    return found


def compare(one: Teacher, other: Teacher, images: Tensor) -> TeacherAgreement:
    """How far two teachers' answers about uint8 images (n, height, width) are apart."""
    a, b = one.ask(images), other.ask(images)
    logits, features = (
        float((x.cpu() - y.cpu()).abs().max()) for x, y in ((a.logits, b.logits), (a.features, b.features))
    )
    return TeacherAgreement(logits, features, len(images))
