# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX files of an exported model: one for the transmitter, one for the receiver, each with the model contract.

A pair is called ``NAME.onnx`` and lies in ``NAME.encoder.onnx`` and ``NAME.decoder.onnx``. The metadata hold the
contract's JSON, which part the file is, its precision, and last a checksum over all bytes before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdr_sc.errors import ContractError, MissingDependencyError
from sdr_sc.files import is_file, read_plain
from sdr_sc.sealed import is_almost
from sdr_sc.shown import reason_of, shown

Part = Literal["encoder", "decoder"]
PARTS: tuple[Part, Part] = ("encoder", "decoder")
SUFFIX = ".onnx"
CONTRACT_KEY = "sdr_sc_contract"
PART_KEY = "sdr_sc_part"
PRECISION_KEY = "sdr_sc_precision"
CHECKSUM_KEY = "sdr_sc_sha256"
_HEX = 64
# The last entry of a protocol buffer is a string pair: tag and length of the entry, of the key and of the value.
_CHECKSUM_ENTRY_BYTES = 2 + 2 + len(CHECKSUM_KEY) + 2 + _HEX


@dataclass(frozen=True)
class OnnxFile:
    """A file that was read and checked.

    Attributes:
        content: the file's bytes.
        contract_json: the model contract.
        part: which half of the student it is.
        precision: ``float32`` or ``int8``.
    """

    path: Path
    content: bytes
    contract_json: str
    part: Part
    precision: str


def is_onnx(model: str | Path) -> bool:
    """Whether a model's name says that it is an ONNX file or pair."""
    return Path(model).suffix == SUFFIX


def part_path(pair: Path, part: Part) -> Path:
    """Where a part of the pair ``NAME.onnx`` lies.

    >>> part_path(Path("models/my.onnx"), "encoder").as_posix()
    'models/my.encoder.onnx'
    """
    return pair.with_name(f"{pair.stem}.{part}{SUFFIX}")


def check_pair_name(out: Path) -> None:
    """Raise `ContractError` unless ``out`` can name a pair that is to be written."""
    if out.suffix != SUFFIX or Path(out.stem).suffix in {f".{part}" for part in PARTS}:
        raise ContractError(
            f"the pair's name {out} has to end in .onnx, without .encoder or .decoder, which are added; choose another."
        )


def find(model: str | Path, folder: Path, part: Part | None = None) -> Path | None:
    """File of an ONNX model: its own path, that of its pair, or either of them in ``folder``.

    Args:
        part: the part that is needed; None for either.

    Returns:
        The file, or None where there is nothing of that name.

    Raises:
        ContractError: the pair lacks the part that is needed.
    """
    for path in (Path(model), folder / model):
        if is_file(path):
            return path
        files = {one: part_path(path, one) for one in PARTS if is_file(part_path(path, one))}
        if files:
            if part is not None and part not in files:
                raise ContractError(
                    f"model {str(model)!r} has no {part} here: {part_path(path, part)} is missing; copy it to this "
                    "place, or make the pair with 'sdr-sc export'."
                )
            return files[part] if part is not None else next(iter(files.values()))
    return None


def read(path: Path, part: Part | None = None) -> OnnxFile:
    """Read a file and check that it is whole, ours, and the part that is needed.

    Raises:
        ContractError: it is not; the message says why.
        MissingDependencyError: onnxruntime is not installed.
    """
    try:
        content = read_plain(path)
    except OSError as error:
        raise ContractError(f"{path} cannot be read ({error.strerror}); get it again.") from error
    metadata = metadata_of(make_session(path, content, optimise=False), shown(path), "get it again")
    if CONTRACT_KEY not in metadata:
        raise ContractError(f"{path} carries no model contract; use a file made by 'sdr-sc export'.")
    if not seal_fits(content, metadata):
        raise ContractError(f"{path} is not as 'sdr-sc export' wrote it; get it again.")
    found = next((one for one in PARTS if one == metadata.get(PART_KEY)), None)
    if found is None:
        raise ContractError(f"{path} does not say which part of a model it is; make it again with 'sdr-sc export'.")
    if part is not None and found != part:
        raise ContractError(
            f"{path} is the {found} of a model where the {part} is needed; give NAME.{part}{SUFFIX}, or NAME{SUFFIX} "
            "for the pair."
        )
    return OnnxFile(path, content, metadata[CONTRACT_KEY], found, metadata.get(PRECISION_KEY, "unknown"))


def check_pair(model: str | Path, folder: Path) -> None:
    """Raise `ContractError` if a pair's two files come from different models; one file alone is fine."""
    for path in (Path(model), folder / model):
        if is_file(path):
            return
        files = {part: part_path(path, part) for part in PARTS if is_file(part_path(path, part))}
        if len(files) == 2 and len({read(file, part).contract_json for part, file in files.items()}) == 2:
            raise ContractError(
                f"{files['encoder']} and {files['decoder']} were exported from different models; make the pair again "
                "with 'sdr-sc export'."
            )
        if files:  # as `find`: the first place that has anything is the one
            return


def make_session(path: Path, content: bytes, threads: int = 1, optimise: bool = True) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        path: for the error message.
        content: the file's bytes.
        threads: of its own for one run.
        optimise: off where only the metadata are wanted; it makes the start three times as quick.

    Raises:
        ContractError: the bytes are no ONNX file that can be run.
        MissingDependencyError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(f"onnxruntime cannot be imported ({error}); run 'make setup'.") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # GNU Radio needs the cores
    options.log_severity_level = 4  # errors come as exceptions; its own lines on stderr say them again
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ContractError(cannot_run(shown(path), error, "get it again")) from error


def cannot_run(what: str, error: Exception, fix: str) -> str:
    """The sentence for a file that onnxruntime refuses; a file that is newer than it is named as such.

    Args:
        what: the file's role and name.
        error: of onnxruntime.
        fix: what helps where the file is damaged or of another kind.
    """
    told = " ".join(str(error).split())
    ir = re.search(r"model IR version: (\d+), max supported IR version: (\d+)", told)
    if ir:
        return (
            f"{what} has ONNX IR version {ir[1]} where the installed onnxruntime reads versions up to {ir[2]}; export "
            f"it for IR version {ir[2]} (ir_version in onnx.helper.make_model), or install a newer onnxruntime."
        )
    opset = re.search(r"Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)", told)
    if opset:
        return (
            f"{what} needs opset {opset[1]} of {opset[2]} where the installed onnxruntime reads opsets up to "
            f"{opset[3]}; export it with opset_version={opset[3]} or lower, or install a newer onnxruntime."
        )
    # The place in onnxruntime's source that raised it says nothing to a user, and fills a line.
    plain = re.sub(r"/onnxruntime_src/\S+:\d+ .*?\)(?= [A-Z])", "", told)
    return f"{what} is not an ONNX file that can be run ({reason_of(RuntimeError(plain))}); {fix}."


def metadata_of(session: Any, what: str, fix: str) -> dict[str, str]:
    """The metadata of a file that was opened.

    Args:
        session: of onnxruntime.
        what: the file's role and name.
        fix: the end of the sentence.

    Raises:
        ContractError: they, or the names of its inputs and outputs, are no UTF-8 text.
    """
    try:
        _ = [one.name for one in (*session.get_inputs(), *session.get_outputs())]
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise ContractError(f"{what} holds text that is not UTF-8 ({error.reason}); {fix}.") from error


def has_seal(metadata: Mapping[str, str]) -> bool:
    """Whether a file's metadata hold a checksum of `seal`, be it under a name that is damaged."""
    return any(name == CHECKSUM_KEY or is_almost(name, CHECKSUM_KEY) for name in metadata)


def seal_fits(content: bytes, metadata: Mapping[str, str]) -> bool:
    """Whether the checksum in a file's metadata is that of the bytes before it."""
    return metadata.get(CHECKSUM_KEY) == hashlib.sha256(content[:-_CHECKSUM_ENTRY_BYTES]).hexdigest()


def seal(content: bytes) -> bytes:
    """Append the checksum, as the metadata's last entry, to a serialised ONNX model."""
    digest = hashlib.sha256(content).hexdigest()
    pair = b"".join(bytes([tag << 3 | 2, len(text)]) + text.encode() for tag, text in ((1, CHECKSUM_KEY), (2, digest)))
    entry = bytes([14 << 3 | 2, len(pair)]) + pair  # field 14 of a ModelProto: metadata_props
    assert len(entry) == _CHECKSUM_ENTRY_BYTES
    return content + entry
