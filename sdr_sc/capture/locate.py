# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a recording lies: a pair of files by any of its names, an archive, or a plain file of samples."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from sdr_sc.capture.findings import ERROR, Finding
from sdr_sc.capture.region import Region
from sdr_sc.errors import CaptureError

META, DATA, JOURNAL, ARCHIVE = ".sigmf-meta", ".sigmf-data", ".sigmf-journal", ".sigmf"
_PAIR_SUFFIXES = (META, DATA, JOURNAL)

_PLAIN = "give its datatype (--datatype) and sample rate (--rate)"

_COMPRESSED = {
    b"\x1f\x8b": "gunzip -c {name} > {stem}.sigmf",
    b"\xfd7zXZ\x00": "xz -dc {name} > {stem}.sigmf",
    b"BZh": "bzip2 -dc {name} > {stem}.sigmf",
    b"\x28\xb5\x2f\xfd": "zstd -dc {name} > {stem}.sigmf",
    b"PK\x03\x04": "unzip {name}",
}
"""First bytes of compressed files, and what unpacks them."""


@dataclass
class Parts:
    """What a recording consists of.

    Attributes:
        path: as it was given.
        kind: ``"pair"``, ``"archive"`` or ``"plain"``.
        meta, data: where they lie; None where there is none.
        journal: left by a recording that did not end, or that still goes on.
        findings: what is wrong with the files.
    """

    path: Path
    kind: str
    meta: Region | None = None
    data: Region | None = None
    journal: Path | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def data_name(self) -> str:
        """The data's file, for messages."""
        return self.path.name if self.data is None else self.data.path.name

    @property
    def meta_name(self) -> str:
        """The metadata's file, for messages."""
        return self.path.name if self.meta is None else self.meta.path.name

    def close(self) -> None:
        """Close the files."""
        for region in (self.meta, self.data):
            if region is not None:
                region.close()


def stem_of(path: str | Path) -> Path:
    """A pair's path without the endings of SigMF.

    >>> str(stem_of("a/run_2.4GHz.sigmf-data"))
    'a/run_2.4GHz'
    """
    path = Path(path)
    for suffix in _PAIR_SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return path.with_name(path.name[: -len(suffix)])
    return path


def pair_paths(path: str | Path) -> tuple[Path, Path, Path]:
    """Paths of metadata, data and journal of a pair.

    Raises:
        CaptureError: the name is none for a pair.
    """
    stem = stem_of(path)
    if not stem.name or stem.name.endswith(ARCHIVE):
        raise CaptureError(f"{path} is no name for a pair of files; give one without .sigmf at its end.")
    meta, data, journal = (stem.with_name(stem.name + suffix) for suffix in _PAIR_SUFFIXES)
    return meta, data, journal


def locate(path: str | Path, plain: bool = False) -> Parts:
    """Find a recording's parts.

    Args:
        path: either file of a pair, their name without ending, an archive, or a plain file.
        plain: that a file without metadata may be samples, because their format is known.

    Raises:
        CaptureError: there is nothing that could be read.
    """
    path = Path(path)
    if path.is_dir():
        raise CaptureError(f"{path} is a folder; give a recording in it.")
    if path.is_file() and path.suffix not in _PAIR_SUFFIXES:
        _refuse_compressed(path)
        if tarfile.is_tarfile(path) if path.suffix != ARCHIVE else True:
            return _archive(path)
        if not stem_of(path).with_name(path.name + META).is_file():
            if not plain:
                raise CaptureError(f"{path} has no metadata; {_PLAIN}, or a SigMF recording.")
            return Parts(path, "plain", data=Region(path))
    meta, data, journal = pair_paths(path)
    if not meta.is_file() and not data.is_file():
        raise CaptureError(f"recording {path} does not exist; there is no {meta.name} and no {data.name} there.")
    parts = Parts(path, "pair" if meta.is_file() else "plain")
    if meta.is_file():
        parts.meta = Region(meta)
    if data.is_file():
        parts.data = Region(data)
    if journal.is_file():
        parts.journal = journal
    if parts.meta is None and not plain:
        parts.close()
        raise CaptureError(f"{data} has no metadata; there is no {meta.name}; {_PLAIN}.")
    return parts


def _refuse_compressed(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror or error}).") from error
    for magic, command in _COMPRESSED.items():
        if head.startswith(magic):
            how = command.format(name=path.name, stem=path.name.partition(".")[0])
            raise CaptureError(f"{path} is compressed, and cannot be read by place; unpack it: {how}")


def _archive(path: Path) -> Parts:
    """Members of a tar archive, in place; of a truncated one, those that are there."""
    members: list[tarfile.TarInfo] = []
    parts, cut = Parts(path, "archive"), False
    try:
        with tarfile.open(path, "r:") as archive:
            try:
                while (member := archive.next()) is not None:
                    members.append(member)
            except (tarfile.TarError, OSError, EOFError):
                cut = True
    except (tarfile.TarError, OSError, EOFError) as error:
        raise CaptureError(f"{path} is no SigMF archive, or is cut off at its beginning ({error}).") from error
    length = path.stat().st_size
    for suffix in (META, DATA):
        found = [member for member in members if member.name.endswith(suffix)]
        if len(found) > 1:
            raise CaptureError(f"{path} holds {len(found)} recordings; unpack it (tar -xf {path.name}) and give one.")
        if not found:
            continue
        if not found[0].isreg() or found[0].issparse():
            raise CaptureError(f"{path} holds {found[0].name} as no plain file; unpack it: tar -xf {path.name}")
        if found[0].offset_data + found[0].size > length:
            there = max(length - found[0].offset_data, 0)
            cut_text = f"the archive is truncated: {there} of {found[0].size} bytes of {found[0].name} are there."
            parts.findings.append(Finding(ERROR, path.name, cut_text))
        region = Region(path, found[0].offset_data, found[0].size)
        if suffix == META:
            parts.meta = region
        else:
            parts.data = region
    if cut and not parts.findings:
        parts.findings.append(Finding(ERROR, path.name, "the archive is truncated."))
    return parts
