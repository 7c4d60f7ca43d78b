# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ONNX file as a teacher, run by onnxruntime."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdr_sc.distill.teachers.base import CHUNK, TeacherAnswer, as_batch, checked_answer, joined
from sdr_sc.errors import ContractError, MissingDependencyError, SdrScError
from sdr_sc.files import read_plain
from sdr_sc.sealed import file_digest
from sdr_sc.semantic import onnx_file
from sdr_sc.semantic.onnx_weights import external_files
from sdr_sc.shown import reason_of, shown


class OnnxTeacher:
    """A teacher from an ONNX file with one float32 input (n, channels, height, width).

    Images are resized to the input's height and width where the file fixes them, a grey image is repeated where it
    wants three channels, and pixels become ``(pixel / 255 - mean) / std``. ``mean`` and ``std`` are the file's metadata
    of these names, one number or one for each channel with commas between; 0 and 1 where they are not given. The
    outputs are those called ``logits`` and ``features``, or else the first and the second; without a second one the
    logits serve as features. The fingerprint covers the file; weights in a further file beside it are not covered. A
    file of ``sdr-sc teacher export`` holds a checksum, which is compared.

    Args:
        path: the file.
        device: ``auto``, ``cpu`` or ``cuda``.
        item_shape: (height, width) or (channels, height, width) of the image that it is tried on.

    Raises:
        SdrScError: the file cannot be read, its input or outputs are others, or there is no such device.
    """

    def __init__(self, path: Path, device: str, item_shape: tuple[int, ...]) -> None:
        import onnxruntime

        self.name = path.stem
        self._path = path
        try:
            content = read_plain(path)
        except OSError as error:
            raise ContractError(f"teacher {shown(path)} cannot be read ({error.strerror}); get it again.") from error
        self.fingerprint = hashlib.sha256(content).hexdigest()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions; its own lines on stderr say them again
        options.intra_op_num_threads = torch.get_num_threads()
        providers = _providers(device, onnxruntime.get_available_providers())
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:
            raise ContractError(onnx_file.cannot_run(f"teacher {shown(path)}", error, "export it again")) from error
        metadata = onnx_file.metadata_of(self._session, f"teacher {shown(path)}", "export it again")
        if onnx_file.has_seal(metadata) and not onnx_file.seal_fits(content, metadata):
            raise ContractError(f"teacher {shown(path)} is not as 'sdr-sc teacher export' wrote it; get it again.")
        self._cover(external_files(content))
        on_gpu = "CUDAExecutionProvider" in self._session.get_providers() and torch.cuda.is_available()
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self._read_input()
        self._types = {output.name: output.type for output in self._session.get_outputs()}
        if "logits" in self._types:
            self._outputs = ["logits"] + (["features"] if "features" in self._types else [])
        else:
            self._outputs = list(self._types)[:2]
        answer = self.ask(torch.zeros(2, *item_shape, dtype=torch.uint8))
        self.classes, self.feature_dim = answer.logits.shape[1], answer.features.shape[1]

    def _cover(self, files: list[str]) -> None:
        """Let the fingerprint cover weights in other files, too: with others this is another teacher."""
        for name in files:
            try:
                digest = file_digest(self._path.parent / name)
            except OSError as error:
                raise ContractError(
                    f"weights {shown(name)} of teacher {shown(self._path)} cannot be read ({error.strerror}); "
                    "export it again."
                ) from error
            told = f"{self.fingerprint} {name} {digest}"
            self.fingerprint = hashlib.sha256(told.encode(errors="replace")).hexdigest()

    def _read_input(self) -> None:
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if len(inputs) == 1 else []
        if len(shape) != 4 or inputs[0].type != "tensor(float)" or shape[1] not in (1, 3):
            told = ", ".join(f"{i.type} {i.shape}" for i in inputs)
            raise ContractError(
                f"teacher {self._path} has the input {told}; export it with one float32 input "
                "(n, channels, height, width) of 1 or 3 channels."
            )
        self._input, self._channels = inputs[0].name, int(shape[1])
        self._batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
        fixed = isinstance(shape[2], int) and isinstance(shape[3], int) and min(shape[2], shape[3]) > 0
        self._size = (shape[2], shape[3]) if fixed else None
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._mean, self._std = (self._numbers(metadata, *pair) for pair in (("mean", "0"), ("std", "1")))
        if not (self._std > 0).all():
            raise ContractError(
                f"teacher {self._path} has a std that is not positive; write it into its metadata again."
            )

    def _numbers(self, metadata: dict[str, str], key: str, default: str) -> Tensor:
        text = metadata.get(key, default)
        try:
            numbers = torch.tensor([float(part) for part in text.strip("[]() ").split(",")])
        except ValueError:
            numbers = torch.empty(0)
        if len(numbers) not in (1, self._channels) or not numbers.isfinite().all():
            raise ContractError(
                f"teacher {self._path} has the metadata {key} {text!r}; write one number, or {self._channels} with "
                "commas between, for pixels of 0 to 1."
            )
        return numbers.view(1, -1, 1, 1)

    @torch.inference_mode()
    def ask(self, images: Tensor) -> TeacherAnswer:
        """See `sdr_sc.distill.teachers.base.Teacher.ask`."""
        return joined([self._ask(chunk) for chunk in as_batch(images).split(self._batch or CHUNK)])

    def _ask(self, images: Tensor) -> TeacherAnswer:
        items, channels = images.shape[:2]
        pixels = images.cpu().float() / 255.0
        if channels != self._channels:
            if channels != 1:
                raise ContractError(
                    f"teacher {self._path} takes {self._channels} channels where the images have {channels}; "
                    "take another teacher."
                )
            pixels = pixels.expand(-1, self._channels, -1, -1)
        if self._size is not None and tuple(pixels.shape[2:]) != self._size:
            pixels = torch.nn.functional.interpolate(pixels, self._size, mode="bilinear", antialias=True)
        prepared = ((pixels - self._mean) / self._std).numpy()
        if self._batch is not None and items < self._batch:  # exported for batches of one size alone
            prepared = np.concatenate([prepared, np.zeros((self._batch - items, *prepared.shape[1:]), np.float32)])
        try:
            outputs = self._session.run(self._outputs, {self._input: np.ascontiguousarray(prepared)})
        except Exception as error:
            raise ContractError(
                f"teacher {self._path} fails on a batch of shape {prepared.shape} ({reason_of(error)}); "
                "export it for images of that size."
            ) from error
        values = [self._rows(name, output, items) for name, output in zip(self._outputs, outputs, strict=True)]
        return checked_answer(str(self._path), items, values[0], values[-1])

    def _rows(self, name: str, output: Any, items: int) -> Tensor:
        """An output's rows without those of the filled batch; a scalar as it is, for the check to refuse."""
        try:
            value = torch.from_numpy(output).to(self._device)
        except TypeError as error:  # a sequence, a map, or strings
            raise ContractError(
                f"teacher {self._path} has the output {name!r} of type {self._types[name]} where a tensor of numbers "
                "is needed; fix its output."
            ) from error
        return value[:items] if value.ndim else value


def _providers(device: str, available: list[str]) -> list[str]:
    if device not in ("auto", "cpu", "cuda"):
        raise SdrScError(f"device {device!r} is unknown; give auto, cpu or cuda.")
    if device == "cuda" and "CUDAExecutionProvider" not in available:
        raise MissingDependencyError(
            "device cuda was asked for, but this onnxruntime runs on the CPU alone; give --device cpu, or install "
            "onnxruntime-gpu."
        )
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return [provider for provider in wanted if provider in available]
