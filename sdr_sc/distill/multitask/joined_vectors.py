# SPDX-License-Identifier: GPL-3.0-or-later
"""Teachers' vectors of a data set's items, from one file, or of several data sets that are learned as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdr_sc.data.dataset import Dataset
from sdr_sc.data.joint.joined import RETRIEVAL, JoinedSet, Member
from sdr_sc.distill.multitask.vectors import TeacherVectors
from sdr_sc.errors import SdrScError
from sdr_sc.shown import shown


def check_one_space(files: Sequence[TeacherVectors]) -> str:
    """Name of the teacher whose vectors the files hold.

    Raises:
        SdrScError: they are of different teachers, or were reduced in different ways, so that they cannot be compared.
    """
    first = files[0]
    for other in files[1:]:
        if other.teacher != first.teacher:
            raise SdrScError(f"vectors of {shown(first.teacher)} and of {shown(other.teacher)} cannot be compared.")
        if other.basis.shape != first.basis.shape or not np.allclose(other.basis, first.basis, atol=1e-5):
            raise SdrScError(
                f"the files of {shown(first.teacher)}'s vectors were reduced in different ways; make them again with "
                "'sdr-sc teacher vectors --space'."
            )
    return first.teacher


def vectors_for(data: Dataset, part: str, files: Sequence[TeacherVectors]) -> np.ndarray:
    """Vectors of a part's items: of a picture's name those of the picture.

    Args:
        files: of one space; of each of the members of a `JoinedSet` one, but for pictures that have no names.

    Returns:
        float32 (items, dimensions), of unit length; 0 of pictures without names that no file is of.

    Raises:
        SdrScError: a file is missing, or is of other data.
    """
    check_one_space(files)
    if not isinstance(data, JoinedSet):
        return _file_of(data, part, files).of(part, data.sha256)

    def of_member(member: Member) -> np.ndarray:
        if member.kind == "pictures" and RETRIEVAL not in member.data.tasks:
            return _if_known(member, part, files)
        return _file_of(member.data, part, files).of(part, member.data.sha256)

    return data.of_members([of_member(member) for member in data.members])


def hints_for(data: Dataset, part: str, files: Sequence[TeacherVectors]) -> np.ndarray:
    """Vectors of a teacher of pictures, 0 of texts and of pictures that no file is of; else as `vectors_for`."""
    check_one_space(files)
    if not isinstance(data, JoinedSet):
        return _file_of(data, part, files).of(part, data.sha256)

    return data.of_members([_if_known(member, part, files) for member in data.members])


def _if_known(member: Member, part: str, files: Sequence[TeacherVectors]) -> np.ndarray:
    """Vectors of a member's pictures; 0 of texts, and where no file is of it."""
    known = [one for one in files if one.data_sha256.get(part) == member.data.sha256]
    if member.kind == "pictures" and known:
        return known[0].of(part, member.data.sha256)
    return np.zeros((len(member.data), files[0].dimensions), np.float32)


def _file_of(data: Dataset, part: str, files: Sequence[TeacherVectors]) -> TeacherVectors:
    for one in files:
        if one.data_sha256.get(part) == data.sha256:
            return one
    raise SdrScError(
        f"no file of vectors is of the {part} part of {shown(data.name)}; make one with 'sdr-sc teacher vectors' and "
        "give it as a further --vectors."
    )
