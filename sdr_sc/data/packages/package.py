# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a package that holds data: its name, version and checksum, and the files in it that are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["deb", "wheel"]


@dataclass(frozen=True)
class Member:
    """A file in a package.

    Attributes:
        path: in the package, without a slash in front; a Debian package installs it below ``/``.
        sha256: of its bytes.
        size_bytes: of it.
    """

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Package:
    """A package at one version. Where it is fetched from is the machine's own set-up of apt or pip.

    Attributes:
        kind: ``deb`` (apt) or ``wheel`` (pip).
        name, version: as its package manager has them.
        sha256, size_bytes: of the package's file.
        licence: of what is used of it.
        members: the files that are used, if they are few: then an installed copy that holds the same serves as well,
            whatever the package's version. Empty where many files are used.
    """

    kind: Kind
    name: str
    version: str
    sha256: str
    size_bytes: int
    licence: str
    members: tuple[Member, ...] = ()

    @property
    def file_name(self) -> str:
        """Of the package in the cache.

        >>> Package("deb", "wordnet-base", "1:3.0-37", "", 0, "").file_name
        'wordnet-base_1.3.0-37.deb'
        """
        ending = "deb" if self.kind == "deb" else "whl"
        return f"{self.name}_{self.version.replace(':', '.')}.{ending}"

    @property
    def title(self) -> str:
        """For messages.

        >>> Package("wheel", "easy-vqa", "1.0", "", 0, "").title
        'Python package easy-vqa'
        """
        return f"{'Debian' if self.kind == 'deb' else 'Python'} package {self.name}"
