# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of ZMQ CURVE: pairs in files, and the public keys that an end lets in.

The files are those of ``zmq.auth``: ``NAME.key`` holds the public key, ``NAME.key_secret`` both. A key as text is 40
characters of Z85.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdr_sc.errors import SdrScError
from sdr_sc.files import write_key_pair
from sdr_sc.shown import shown

PUBLIC, SECRET = ".key", ".key_secret"
_KEY_CHARACTERS = 40
_Z85 = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#")
_MAKE = "make a pair with 'sdr-sc keys make NAME'"
_MOST_BYTES = 10_000


@dataclass(frozen=True)
class Keys:
    """What an end needs for encrypted and authenticated connections.

    Attributes:
        public, secret: its own pair.
        allowed: public keys of the other ends that it talks to; all others are refused.
    """

    public: bytes
    secret: bytes
    allowed: tuple[bytes, ...]


def make_pair(name: Path) -> tuple[Path, Path]:
    """Write a new pair: the public key's file, and the secret one's with mode 0600.

    Raises:
        SdrScError: one of them is there already, or cannot be written.
    """
    import zmq

    public, secret = zmq.curve_keypair()
    files = name.with_name(name.name + PUBLIC), name.with_name(name.name + SECRET)
    line = f'    public-key = "{public.decode()}"\n'
    texts = f"curve\n{line}", f'curve\n{line}    secret-key = "{secret.decode()}"\n'
    write_key_pair(files, (texts[0].encode(), texts[1].encode()))
    return files


def public_key(key_or_file: str) -> bytes:
    """The public key of a file, or a key itself.

    Raises:
        SdrScError: it is neither.
    """
    raw = key_or_file.encode(errors="replace")
    if len(raw) == _KEY_CHARACTERS and _Z85.issuperset(raw) and not os.path.exists(key_or_file):
        return raw
    return _read(Path(key_or_file))[0]


def load_keys(curve_key: str, allowed: Sequence[str], one_peer: bool) -> Keys | None:
    """Keys of an end; None without any.

    Args:
        curve_key: file of its own secret key.
        allowed: public keys of the other ends, or their files.
        one_peer: whether it connects, to the one end that binds, so that one key has to be given.

    Raises:
        SdrScError: a file is not one of a key, others may read the secret one, or one of the two is missing.
    """
    if not curve_key and not allowed:
        return None
    if not curve_key:
        raise SdrScError(f"keys of other ends are allowed, and there is none of this end; {_MAKE}, and give its file.")
    if not allowed or (one_peer and len(allowed) != 1):
        many = "one public key, that of the transmitter" if one_peer else "the public key of each other end"
        raise SdrScError(f"this end has a key, and has to know whom it talks to; allow {many}.")
    public, secret = _read(Path(curve_key))
    if not secret:
        raise SdrScError(f"{shown(curve_key)} holds a public key alone; give the file that ends in {SECRET}.")
    return Keys(public, secret, tuple(public_key(key) for key in allowed))


def _read(file: Path) -> tuple[bytes, bytes]:
    """Public and secret key of a file; b'' where it holds none."""
    name = shown(file)
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as source:
            status = os.fstat(source.fileno())
            regular = stat.S_ISREG(status.st_mode)
            raw = source.read(_MOST_BYTES) if regular else b""
    except OSError as error:
        raise SdrScError(f"key {name} cannot be read ({error.strerror}); {_MAKE}.") from None
    found = {b"public-key": b"", b"secret-key": b""}
    for line in raw.splitlines():
        word, _, value = line.partition(b"=")
        key = value.strip().strip(b'"')
        if word.strip() in found and len(key) == _KEY_CHARACTERS and _Z85.issuperset(key):
            found[word.strip()] = key
    public, secret = found.values()
    if not public:
        raise SdrScError(f"{name} is no key of ZMQ CURVE; {_MAKE}.")
    if secret and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
        raise SdrScError(f"secret key {name} can be read by others (or is theirs); 'chmod 600' it, or make a new pair.")
    return public, secret
