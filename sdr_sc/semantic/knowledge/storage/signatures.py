# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of bases (ed25519, by the package cryptography): who made a version, where it comes from elsewhere."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdr_sc.documents import read_bytes
from sdr_sc.errors import KnowledgeError, MissingDependencyError
from sdr_sc.files import write_key_pair
from sdr_sc.semantic.knowledge.storage.state import State
from sdr_sc.shown import shown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC, SECRET = ".sign", ".sign_secret"
_MAKE = "make a pair with 'sdr-sc kb key NAME'"
_LIMIT_BYTES = 10_000
_HEX_KEY = re.compile(r"[0-9a-f]{64}")


def _ed25519() -> Any:
    """The module of the package cryptography."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise MissingDependencyError(
            "the Python module 'cryptography' is missing, and signatures need it; run 'make setup'."
        ) from None
    return ed25519


def make_pair(name: Path) -> tuple[Path, Path]:
    """Write a new pair of keys as PEM: the public one's file, and the secret one's with mode 0600.

    Raises:
        KnowledgeError: one of them is there already, or cannot be written.
    """
    module = _ed25519()
    from cryptography.hazmat.primitives import serialization as forms

    key = module.Ed25519PrivateKey.generate()
    secret_text = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    public_text = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    files = name.with_name(name.name + PUBLIC), name.with_name(name.name + SECRET)
    write_key_pair(files, (public_text, secret_text), KnowledgeError)
    return files


def public_key(key_or_file: str) -> str:
    """A public key as 64 hexadecimal digits: given so, or by the file of either half of a pair.

    Raises:
        KnowledgeError: it is none.
    """
    if _HEX_KEY.fullmatch(key_or_file) and not os.path.exists(key_or_file):
        return key_or_file
    module = _ed25519()
    from cryptography.hazmat.primitives import serialization as forms

    raw = read_bytes(key_or_file, "key", _MAKE, KnowledgeError, _LIMIT_BYTES)
    try:
        key = forms.load_pem_public_key(raw) if b"PUBLIC" in raw else _secret_of(raw).public_key()
        if not isinstance(key, module.Ed25519PublicKey):
            raise ValueError("another kind of key")
    except (ValueError, TypeError, KnowledgeError, _unsupported()):
        raise KnowledgeError(f"{shown(key_or_file)} is no key of ed25519 (PEM); {_MAKE}.") from None
    return key.public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw).hex()


def signed(state: State, secret_key: Path) -> State:
    """A state with its signature.

    Raises:
        KnowledgeError: the file is no secret key, or others may read it.
    """
    key = check_secret(secret_key)
    from cryptography.hazmat.primitives import serialization as forms

    signer = key.public_key().public_bytes(forms.Encoding.Raw, forms.PublicFormat.Raw).hex()
    return replace(state, signer=signer, signature=key.sign(state.statement()).hex())


def check_secret(secret_key: Path) -> Ed25519PrivateKey:
    """The secret key in a file.

    Raises:
        KnowledgeError: it is none, or others may read it.
    """
    _ed25519()
    raw = read_bytes(secret_key, "secret key", _MAKE, KnowledgeError, _LIMIT_BYTES)
    status = os.stat(secret_key)
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
        raise KnowledgeError(
            f"secret key {shown(secret_key)} can be read by others (or is theirs); 'chmod 600' it, or make a new pair."
        )
    try:
        return _secret_of(raw)
    except (ValueError, TypeError, _unsupported()):
        raise KnowledgeError(f"{shown(secret_key)} is no secret key of ed25519 (PEM); {_MAKE}.") from None


def check_signature(state: State, named: str, required: str = "") -> None:
    """Refuse a state whose signature is wrong, or is not that of a key.

    Without ``required``, a signature shows only that nothing was changed after it: anybody can
    sign with a key of theirs.

    Args:
        named: the base or increment, for the sentence.
        required: public key, or its file; '' for none.

    Raises:
        KnowledgeError: there is no signature, it is another key's, or not one of this content.
        MissingDependencyError: the package cryptography is not installed.
    """
    wanted = public_key(required) if required else ""
    if not state.signature:
        if wanted:
            raise KnowledgeError(f"{named} is not signed, and a signature is required; get a signed one.")
        return
    module = _ed25519()
    from cryptography.exceptions import InvalidSignature

    try:
        key = module.Ed25519PublicKey.from_public_bytes(bytes.fromhex(state.signer))
        key.verify(bytes.fromhex(state.signature), state.statement())
    except (InvalidSignature, ValueError):
        raise KnowledgeError(f"{named} has a signature that is not one of its content; get it again.") from None
    if wanted and wanted != state.signer:
        raise KnowledgeError(f"{named} is signed by {state.signer}, not by the key that is required; get that one's.")


def _secret_of(raw: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives import serialization as forms

    key = forms.load_pem_private_key(raw, password=None)
    if not isinstance(key, _ed25519().Ed25519PrivateKey):
        raise ValueError("another kind of key")
    return key


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm
