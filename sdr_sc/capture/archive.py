# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a SigMF archive (tar), found without unpacking it."""

from __future__ import annotations

import posixpath
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from sdr_sc.capture.sigmf.findings import ERROR, Finding
from sdr_sc.errors import CaptureError
from sdr_sc.shown import command_line, shown

MOST_MEMBERS = 10_000


@dataclass
class Members:
    """What an archive holds.

    Attributes:
        path: the archive.
        places: first byte and length of each plain member, by its name.
        meta, data: names of the members with SigMF's endings; None where there is none.
        findings: what is wrong with the archive.
    """

    path: Path
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    meta: str | None = None
    data: str | None = None
    findings: list[Finding] = field(default_factory=list)

    def beside_meta(self, name: str) -> str | None:
        """The plain member of a name in the metadata's folder of the archive; None where there is none."""
        wanted = posixpath.join(posixpath.dirname(self.meta or ""), posixpath.basename(name))
        return wanted if wanted in self.places else None

    def mismatch(self) -> str:
        """What is wrong where metadata and data have names that do not fit; ``""`` where they do."""
        if self.meta is None or self.data is None or self.meta[: -len("meta")] == self.data[: -len("data")]:
            return ""
        return (
            f"its metadata {shown(self.meta, 80)} and its data {shown(self.data, 80)} have different names, and need "
            f"not belong together; unpack it ({command_line(['tar', '-xf', self.path.name])}) and give both one name."
        )


def members_of(path: Path, meta_suffix: str, data_suffix: str) -> Members:
    """Find an archive's members, in place; of a truncated one, those that are there.

    Raises:
        CaptureError: it is no archive, or holds several recordings, or no plain files.
    """
    found, cut = Members(path), False
    irregular: set[str] = set()
    by_suffix: dict[str, list[str]] = {meta_suffix: [], data_suffix: []}
    unpack = command_line(["tar", "-xf", path.name])
    try:
        with tarfile.open(path, "r:") as archive:
            try:
                for _ in range(MOST_MEMBERS + 1):
                    member = archive.next()
                    if member is None:
                        break
                    for suffix, names in by_suffix.items():
                        if member.name.lower().endswith(suffix):
                            names.append(member.name)
                    if member.isreg() and not member.issparse():
                        found.places[member.name] = (member.offset_data, member.size)
                    else:
                        irregular.add(member.name)
                else:
                    raise CaptureError(f"{path} holds more than {MOST_MEMBERS} files; unpack it: {unpack}")
            except (tarfile.TarError, OSError, EOFError, ValueError):
                cut = True
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise CaptureError(
            f"{path} is no SigMF archive, or is cut off at its beginning ({shown(error, 80)})."
        ) from error
    length = path.stat().st_size
    for suffix, names in by_suffix.items():
        if len(names) > 1:
            raise CaptureError(f"{path} holds {len(names)} recordings; unpack it ({unpack}) and give one.")
        if not names:
            continue
        [name] = names
        if name in irregular:
            raise CaptureError(f"{path} holds {shown(name, 80)} as no plain file; unpack it: {unpack}")
        start, size = found.places[name]
        if start + size > length:
            there = max(length - start, 0)
            text = f"the archive is truncated: {there} of {size} bytes of {shown(name, 80)} are there."
            found.findings.append(Finding(ERROR, path.name, text))
        if suffix == meta_suffix:
            found.meta = name
        else:
            found.data = name
    if cut and not found.findings:
        found.findings.append(Finding(ERROR, path.name, "the archive is truncated."))
    return found
