# SPDX-License-Identifier: GPL-3.0-or-later
"""Which base, in which version and of which content: what both ends of a link have to agree on."""

from __future__ import annotations

import binascii
import hashlib
import re
import struct
from dataclasses import dataclass

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.storage.state import MOST_VERSIONS, State
from sdr_sc.shown import shown

_LAYOUT = struct.Struct(">8sQ32s")
TAG_BYTES = _LAYOUT.size
_FOLDED_BITS = 3
_ID, _CHECKSUM = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BaseTag:
    """Names a base's content.

    Attributes:
        base_id: 16 hexadecimal digits, the same in all versions.
        version: from 1 on.
        checksum: of the content, 64 hexadecimal digits.

    Raises:
        KnowledgeError: a value is none.

    >>> tag = BaseTag("0123456789abcdef", 3, "ab" * 32)
    >>> BaseTag.from_bytes(tag.to_bytes()) == tag, TAG_BYTES, tag.folded
    (True, 48, 2)
    """

    base_id: str
    version: int
    checksum: str

    def __post_init__(self) -> None:
        fits = _ID.fullmatch(self.base_id) and _CHECKSUM.fullmatch(self.checksum)
        if not fits or not 1 <= self.version < MOST_VERSIONS:
            raise KnowledgeError(
                f"base {shown(self.base_id, 40)} in version {self.version} has no content that both ends could agree "
                "on; use a global base."
            )

    @classmethod
    def of_state(cls, state: State) -> BaseTag:
        """Of a global base.

        Raises:
            KnowledgeError: it is a local one, whose content has no checksum.
        """
        return cls(state.base_id, state.version, state.checksum)

    def to_bytes(self) -> bytes:
        """`TAG_BYTES` bytes, as they are fed back."""
        return _LAYOUT.pack(bytes.fromhex(self.base_id), self.version, bytes.fromhex(self.checksum))

    @classmethod
    def from_bytes(cls, raw: bytes) -> BaseTag | None:
        """From those bytes; None where they are none, as of a foreign host.

        >>> BaseTag.from_bytes(b"x"), BaseTag.from_bytes(bytes(48))
        (None, None)
        """
        if len(raw) != TAG_BYTES:
            return None
        base_id, version, checksum = _LAYOUT.unpack(raw)
        try:
            return cls(base_id.hex(), version, checksum.hex())
        except KnowledgeError:
            return None

    @property
    def folded(self) -> int:
        """Three bits of it, for the header of a frame: 0..7."""
        return hashlib.sha256(self.to_bytes()).digest()[0] >> (8 - _FOLDED_BITS)

    @property
    def mask(self) -> int:
        """Sixteen bits that a frame's check is changed by, so that no receiver with another base finds it right."""
        return binascii.crc_hqx(hashlib.sha256(self.to_bytes()).digest()[1:], 0xFFFF)
