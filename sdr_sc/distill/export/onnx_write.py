# SPDX-License-Identifier: GPL-3.0-or-later
"""From a torch module to the bytes of an ONNX file, in float32 or quantised to int8."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdr_sc.errors import MissingDependencyError
from sdr_sc.places import scratch_folder

OPSET = 17
_WEIGHTED = ("Conv", "Gemm", "MatMul")


def import_onnx() -> ModuleType:
    """The package onnx, which writes files and is not needed to run them.

    Raises:
        MissingDependencyError: it, or what it needs, is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(f"onnx cannot be imported ({error}); run 'make setup'.") from error
    return onnx


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporters, whose warnings and prints are about themselves; errors still come as exceptions."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def trace(module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """A module as an ONNX model whose first axes all are the number of items, ``n``.

    Args:
        module: in evaluation mode.
        example: inputs of ``forward`` by the names that they get, in its order, of two items or more.
        outputs: names of what it returns.

    Raises:
        MissingDependencyError: the package onnx is not installed.
    """
    import_onnx()
    file = io.BytesIO()
    with quiet(), torch.inference_mode():
        torch.onnx.export(
            module,
            tuple(example.values()),
            file,
            dynamo=False,  # the newer exporter needs packages besides, and its graphs are no better here
            opset_version=OPSET,
            input_names=list(example),
            output_names=list(outputs),
            dynamic_axes={name: {0: "n"} for name in (*example, *outputs)},
        )
    return file.getvalue()


def with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The model with these metadata, and no others."""
    onnx = import_onnx()
    model = onnx.load_model_from_string(content)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(metadata))
    return model.SerializeToString()


def quantise(content: bytes, batches: Iterable[Mapping[str, np.ndarray]], data_input: str) -> bytes:
    """Static int8 quantisation of convolutions and linear layers, with a scale for each output channel.

    Layers that see nothing but the SNR stay in float32, and so does the last layer: they are small, and their rounding
    would reach the result unsmoothed.

    Args:
        content: a float32 model.
        batches: typical inputs by name, float32, that set the ranges of the activations.
        data_input: name of the input whose layers are quantised.
    """
    onnx = import_onnx()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(batches)

        def get_next(self) -> Any:
            batch = next(self.batches, None)
            return None if batch is None else dict(batch)

    with scratch_folder() as folder, quiet():
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("float32", "prepared", "int8"))
        source.write_bytes(content)
        quant_pre_process(
            str(source), str(prepared), skip_symbolic_shape=True
        )  # that one needs sympy, and adds nothing
        graph = onnx.load(str(prepared)).graph
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_WEIGHTED),
            nodes_to_exclude=sorted(_kept_in_float(graph, data_input)),
            per_channel=True,
            # Seven bits: without VNNI an x86 CPU adds pairs of 8-bit products in 16 bits, which overflow.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


def _kept_in_float(graph: Any, data_input: str) -> set[str]:
    """Names of the layers with weights that lie off the path of the data, or last on it."""
    behind_data = {data_input}
    for node in graph.node:  # sorted so that an input comes before its use
        if behind_data & set(node.input):
            behind_data |= set(node.output)
    kept, wanted = set(), {output.name for output in graph.output}
    for node in reversed(graph.node):
        if node.op_type in _WEIGHTED and not behind_data & set(node.input):
            kept.add(node.name)
        if wanted & set(node.output):
            if node.op_type in _WEIGHTED:
                kept.add(node.name)
            else:
                wanted |= set(node.input)
    return kept
