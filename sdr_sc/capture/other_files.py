# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are no samples, known by their first bytes: a sentence that says what they are, instead of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdr_sc.errors import CaptureError
from sdr_sc.shown import command_line, shown

TAR_MARK = (257, b"ustar")
_HEAD_BYTES = 512

# Long enough marks: samples that begin with one by chance cannot be read at all.
_COMPRESSED: tuple[tuple[Callable[[bytes], bool], tuple[str, ...]], ...] = (
    (lambda head: head[:3] == b"\x1f\x8b\x08" and head[3] < 32 and head[8] in (0, 2, 4), ("gunzip", "-c")),
    (lambda head: head[:6] == b"\xfd7zXZ\x00", ("xz", "-dc")),
    (lambda head: head[:3] == b"BZh" and head[4:10] == b"1AY&SY", ("bzip2", "-dc")),
    (lambda head: head[:4] == b"\x28\xb5\x2f\xfd", ("zstd", "-dc")),
    (lambda head: head[:4] == b"\x04\x22\x4d\x18", ("lz4", "-dc")),
    (lambda head: head[:4] == b"PK\x03\x04" and head[5] == 0, ("unzip",)),
    (lambda head: head[:6] == b"7z\xbc\xaf\x27\x1c", ("7z", "x")),
)
_WAVE = ("RIFF", "RF64", "RIFX", "BW64")
_OTHERS = (
    (b"fLaC\x00\x00\x00", "a FLAC sound file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it stands for"),
)


def head_of(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        CaptureError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror or error}).") from error


def is_tar(head: bytes) -> bool:
    """Whether a file is a tar archive, by its mark alone: samples that begin with zeros look like an empty one.

    >>> is_tar(bytes(512)), is_tar(bytes(257) + b"ustar\\x00")
    (False, True)
    """
    place, mark = TAR_MARK
    return head[place : place + len(mark)] == mark


def refuse_other_kinds(path: Path, head: bytes) -> None:
    """Refuse what is known to be no plain samples.

    Raises:
        CaptureError: it is compressed, a sound file, or of another program.
    """
    if len(head) < 12:
        return
    for is_it, words in _COMPRESSED:
        if is_it(head):
            how = command_line([*words, path.name])
            if words[0] not in ("unzip", "7z"):
                how += " > " + command_line([f"{path.name.partition('.')[0]}.sigmf"])
            raise CaptureError(f"{path} is compressed, and cannot be read by place; unpack it: {how}")
    if head[:4].decode("latin-1") in _WAVE and head[8:12] == b"WAVE":
        how = command_line(["sox", path.name, "-t", "raw", f"{path.stem}.raw"])
        raise CaptureError(
            f"{path} is a WAV file, whose header would be taken for samples; take its samples out ({how}), and give "
            "their --datatype and --rate."
        )
    for mark, name in _OTHERS:
        if head.startswith(mark):
            raise CaptureError(f"{shown(path)} is {name}, and no plain file of samples; give a recording.")
