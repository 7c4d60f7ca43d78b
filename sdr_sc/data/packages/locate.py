# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of a package are: installed by Debian, or in the package that `sdr-sc data get` has fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.data.packages.archive import Wanted, read_package
from sdr_sc.data.packages.fetch import fetched_file
from sdr_sc.data.packages.package import Member, Package
from sdr_sc.errors import DataSetError
from sdr_sc.files import open_plain
from sdr_sc.sealed import file_digest
from sdr_sc.shown import command_line, shown

ROOT = Path("/")
"""Below which Debian packages install."""


@dataclass(frozen=True)
class User:
    """What needs a package, for messages.

    Attributes:
        title: with its name.
        command: that fetches the package.
    """

    title: str
    command: tuple[str, ...]

    @property
    def fix(self) -> str:
        """The end of a sentence."""
        return f"run '{command_line(list(self.command))}'"


def _user(data_set: str | User) -> User:
    if isinstance(data_set, User):
        return data_set
    return User(f"data set {data_set!r}", ("sdr-sc", "data", "get", data_set))


def is_installed(package: Package) -> bool:
    """Whether the files that are used of it are installed, and the ones that are known."""
    return _installed(package) is not None


def is_fetched(package: Package) -> bool:
    """Whether its file is in the cache."""
    return fetched_file(package).is_file()


def why_missing(package: Package, data_set: str | User) -> str:
    """The sentence for a package that is not here."""
    others = [member.path for member in package.members if (ROOT / member.path).is_file()]
    other = f"; the installed /{shown(others[0])} is of another version" if others else ""
    user = _user(data_set)
    return f"{user.title} needs the {package.title}, which is not here{other}; {user.fix}."


def files_of(package: Package, data_set: str) -> dict[str, bytes]:
    """The files that are used of a package, by the paths of its members, each with the checksum that it has to have.

    Raises:
        DataSetError: the package is not here, or is damaged.
    """
    installed = _installed(package)
    if installed is not None:
        return installed
    if not is_fetched(package):
        raise DataSetError(why_missing(package, data_set))
    members = {member.path: member for member in package.members}
    found = dict(read_package(fetched_file(package), lambda name: members[name].size_bytes if name in members else 0))
    for member in package.members:
        if not _is(found.get(member.path, b""), member):
            raise DataSetError(
                f"{shown(fetched_file(package))} does not hold the {shown(Path(member.path).name)} that is known; "
                f"delete it, and {_user(data_set).fix}."
            )
    return found


def read_all(package: Package, wanted: Wanted, data_set: str | User) -> Iterator[tuple[str, bytes]]:
    """Many files of a package that was fetched, one by one; see `read_package`.

    Args:
        data_set: that needs it, or what else does.

    Raises:
        DataSetError: the package is not here, is another one, or is damaged.
    """
    path = fetched_file(package)
    if not path.is_file():
        raise DataSetError(why_missing(package, data_set))
    if file_digest(path) != package.sha256:
        raise DataSetError(f"{shown(path)} is not the package that is known; delete it, and {_user(data_set).fix}.")
    yield from read_package(path, wanted)


def _installed(package: Package) -> dict[str, bytes] | None:
    """The installed files, or None where one is missing or another one."""
    found = {}
    for member in package.members:
        try:
            with open_plain(ROOT / member.path) as file:
                raw = file.read(member.size_bytes + 1)
        except OSError:
            return None
        if not _is(raw, member):
            return None
        found[member.path] = raw
    return found or None


def _is(raw: bytes, member: Member) -> bool:
    return len(raw) == member.size_bytes and hashlib.sha256(raw).hexdigest() == member.sha256
