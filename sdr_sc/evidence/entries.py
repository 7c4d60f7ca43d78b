# SPDX-License-Identifier: GPL-3.0-or-later
"""The schemes that are compared, by their names in the catalogue: a rival is added here in one line."""

from __future__ import annotations

from sdr_sc.errors import SdrScError
from sdr_sc.schemes.catalogue import check_scheme, make_scheme
from sdr_sc.schemes.scheme import Scheme
from sdr_sc.sweep.config import SchemeEntry

OWN_CHOICE = (None,)
ENTRIES = (
    SchemeEntry("ours", "ours", k=(2, 4, 8, 16)),
    SchemeEntry("the student's class", "label_ldpc", {"teacher": "student"}, OWN_CHOICE),
    SchemeEntry("two classes with confidence", "soft_ldpc", {"sent": 2}, OWN_CHOICE),
    SchemeEntry("vector-quantised features", "features_vq", k=OWN_CHOICE),
    SchemeEntry("coded features", "features_ldpc", k=(4, 8, 16)),
    SchemeEntry("principal components", "pca", k=(4, 8, 16)),
    SchemeEntry("thumbnail for 85 %", "thumbnail_ldpc", {"target": 85}, OWN_CHOICE),
    SchemeEntry("thumbnail for 90 %", "thumbnail_ldpc", {"target": 90}, OWN_CHOICE),
    SchemeEntry("learned image codec", "deepjscc", k=(16,)),
)


def entry_named(text: str) -> SchemeEntry:
    """An entry from ``NAME`` or ``NAME:PARAMETER=VALUE:...:k=K``, such as ``label_ldpc:teacher=student``.

    Raises:
        SdrScError: the catalogue has no such scheme, or it has not that parameter.

    >>> entry_named("ours:k=4").k
    (4,)
    """
    name, *parts = text.split(":")
    parameters: dict[str, str | int] = {}
    ks: tuple[int | None, ...] = OWN_CHOICE
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise SdrScError(
                f"scheme {text!r} has {part!r}; give NAME:PARAMETER=VALUE, such as label_ldpc:teacher=student."
            )
        if key == "k":
            if not value.isdecimal() or int(value) < 1:
                raise SdrScError(f"scheme {text!r} has k={value}; give a whole number above 0.")
            ks = (int(value),)
        else:
            parameters[key] = int(value) if value.isdecimal() else value
    check_scheme(name, parameters)
    return SchemeEntry(text, name, parameters, ks)


def made(entry: SchemeEntry, data_set: str) -> Scheme:
    """The scheme of an entry."""
    return make_scheme(entry.scheme, data_set, **entry.parameters)


def title(entry: SchemeEntry, k: int | None) -> str:
    """For people.

    >>> title(ENTRIES[0], 4), title(ENTRIES[1], None)
    ('ours, k=4', "the student's class")
    """
    return entry.label if k is None or ":k=" in entry.label else f"{entry.label}, k={k}"
