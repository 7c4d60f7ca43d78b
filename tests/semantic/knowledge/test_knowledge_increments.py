# SPDX-License-Identifier: GPL-3.0-or-later
"""Increments and signatures: the right one makes the right version, and any other changes nothing and says why."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from knowledge_entries import SPACE, content, made_base, made_entry

from sdr_sc.errors import KnowledgeError, MissingDependencyError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.storage.increments import Increment, apply_increment, increment_between
from sdr_sc.semantic.knowledge.storage.signatures import check_signature, make_pair, public_key


@pytest.fixture
def versions(tmp_path):
    """Files of versions 1 to 3 of a base, v1.kb and so on, and increments 12, 23 and 13."""
    made_base(tmp_path / "v1.kb", 10).close()
    shutil.copy(tmp_path / "v1.kb", tmp_path / "v2.kb")
    with KnowledgeBase(tmp_path / "v2.kb") as base:
        base.change(add=[made_entry(20)], replace_=[made_entry(5, seed=1)], delete=["key 00001"])
    shutil.copy(tmp_path / "v2.kb", tmp_path / "v3.kb")
    with KnowledgeBase(tmp_path / "v3.kb") as base:
        base.change(add=[made_entry(1, seed=3)], delete=["key 00002", "key 00020"])
    for one, other in ("12", "23", "13"):
        with KnowledgeBase(tmp_path / f"v{one}.kb") as old, KnowledgeBase(tmp_path / f"v{other}.kb") as new:
            increment_between(old, new).save(tmp_path / f"{one}{other}.inc")
    return tmp_path


def test_increments_lead_to_the_same_content(versions):
    for steps in (("12", "23"), ("13",)):
        shutil.copy(versions / "v1.kb", versions / "mine.kb")
        with KnowledgeBase(versions / "mine.kb") as mine, KnowledgeBase(versions / "v3.kb") as wanted:
            for step in steps:
                apply_increment(mine, versions / f"{step}.inc")
            assert mine.state == wanted.state and content(mine) == content(wanted)
        with KnowledgeBase(versions / "mine.kb") as again, KnowledgeBase(versions / "v3.kb") as wanted:
            assert content(again) == content(wanted)
            query = made_entry(1, seed=3).vector[None]
            assert again.entry(int(again.search(query, 1).ids[0, 0])).key == "key 00001"


def refused(base_file, increment, said: str, **more) -> None:
    """An increment is refused in one sentence, and the base is what it was."""
    with KnowledgeBase(base_file) as base:
        before = content(base), base.state
        with pytest.raises(KnowledgeError) as caught:
            apply_increment(base, increment, **more)
        assert said in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).endswith(".")
        assert (content(base), base.state) == before
    with KnowledgeBase(base_file) as again:
        assert (content(again), again.state) == before


def test_increments_out_of_order_are_refused_by_name(versions):
    refused(versions / "v1.kb", versions / "23.inc", "an increment from 1 is missing")
    refused(versions / "v2.kb", versions / "12.inc", "already")
    refused(versions / "v3.kb", versions / "12.inc", "already")
    refused(versions / "v2.kb", versions / "13.inc", "past it")
    refused(versions / "v1.kb", versions / "none.inc", "No such file")
    with KnowledgeBase(versions / "v1.kb") as base:
        base.change(delete=["key 00007"])
    refused(versions / "v1.kb", versions / "23.inc", "with another content than")


def test_increments_of_another_base_or_model_are_refused(versions):
    with made_base(versions / "other.kb", 10) as other:
        assert other.version == 1
    refused(versions / "other.kb", versions / "12.inc", "is of base")
    found = Increment.load(versions / "12.inc")
    for changed in ({"model_id": "f" * 16}, {"contract_sha256": "0" * 64}, {"name": "other"}):
        replace(found, to=replace(found.to, space=replace(SPACE, **changed))).save(versions / "model.inc")
        refused(versions / "v1.kb", versions / "model.inc", "give one of its own")


def test_an_increment_whose_content_is_not_what_it_says_changes_nothing(versions):
    found = Increment.load(versions / "12.inc")
    row, replaces = found.rows[0]
    for changed in (
        replace(found, deleted=[]),
        replace(found, rows=found.rows[1:]),
        replace(found, to=replace(found.to, entries=found.to.entries + 1)),
        replace(found, to=replace(found.to, checksum="0" * 64)),
    ):
        changed.save(versions / "bad.inc")
        refused(versions / "v1.kb", versions / "bad.inc", "do not give version 2")
    for rows, deleted, said in (
        ([(row, not replaces), *found.rows[1:]], found.deleted, "key"),
        (found.rows, [*found.deleted, "nothing"], "no entry of key"),
        (found.rows, found.deleted * 2, "twice"),
        ([*found.rows, found.rows[0]], found.deleted, "twice"),
        ([(row._replace(about=b"{}"), replaces)], found.deleted, "damaged"),
        ([(row._replace(vector=np.full(8, np.nan, "<f4").tobytes()), replaces)], found.deleted, "damaged"),
        ([(row._replace(picture=b"no png"), replaces)], found.deleted, "damaged"),
    ):
        replace(found, rows=rows, deleted=deleted).save(versions / "bad.inc")
        refused(versions / "v1.kb", versions / "bad.inc", said)


def test_a_flood_of_copies_in_an_increment_is_refused(versions):
    found = Increment.load(versions / "12.inc")
    row = found.rows[0][0]
    flood = [(row._replace(key=f"copy {number}"), False) for number in range(20)]
    replace(found, rows=flood).save(versions / "flood.inc")
    refused(versions / "v1.kb", versions / "flood.inc", "same vector")


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_changed_or_cut_increment_is_refused(versions, place):
    raw = bytearray((versions / "12.inc").read_bytes())
    at = place * len(raw) // 100
    raw[at] ^= 4
    (versions / "bad.inc").write_bytes(raw)
    refused(versions / "v1.kb", versions / "bad.inc", "bad.inc")
    (versions / "bad.inc").write_bytes(raw[:at])
    refused(versions / "v1.kb", versions / "bad.inc", "bad.inc")


def test_no_increment_between_what_are_no_two_versions(versions):
    with made_base(versions / "other.kb", 10) as other, KnowledgeBase(versions / "v2.kb") as two:
        with pytest.raises(KnowledgeError, match="--continues"):
            increment_between(other, two)
        with KnowledgeBase(versions / "v1.kb") as one, pytest.raises(KnowledgeError, match="not later"):
            increment_between(two, one)


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "keys").mkdir()
    return make_pair(tmp_path / "keys" / "mine"), make_pair(tmp_path / "keys" / "other")


def test_signed_bases_are_checked_on_reading(versions, keys):
    (public, secret), (other_public, other_secret) = keys
    path = versions / "v1.kb"
    with pytest.raises(KnowledgeError, match="not signed"):
        KnowledgeBase(path, require_signature=str(public))
    with KnowledgeBase(path) as base:
        base.sign(secret)
    for required in ("", str(public), str(secret), public_key(str(public))):
        KnowledgeBase(path, require_signature=required).close()
    with pytest.raises(KnowledgeError, match="not by the key that is required"):
        KnowledgeBase(path, require_signature=str(other_public))
    with KnowledgeBase(path) as base:
        forged = replace(base.state, title="forged")
        with base.store.writing():
            base.store.set_state(forged)
    with pytest.raises(KnowledgeError, match="not one of its content"):
        KnowledgeBase(path)
    with KnowledgeBase(versions / "v2.kb") as base:
        base.sign(other_secret)
        signed = base.state
        base.change(delete=["key 00003"])
        assert not base.state.signature  # what was signed is not what is there now
    with pytest.raises(KnowledgeError, match="not one of its content"):
        check_signature(replace(signed, signer="0" * 64), "base")


def test_a_signed_base_takes_increments_of_its_signer_alone(versions, keys):
    (public, secret), (_, other_secret) = keys
    for name in ("v1.kb", "v2.kb"):
        with KnowledgeBase(versions / name) as base:
            base.sign(secret)
    refused(versions / "v1.kb", versions / "12.inc", "signed by nobody")
    with KnowledgeBase(versions / "v1.kb") as old, KnowledgeBase(versions / "v2.kb") as new:
        increment_between(old, new).save(versions / "good.inc")
        new.sign(other_secret)
        increment_between(old, new).save(versions / "other.inc")
    refused(versions / "v1.kb", versions / "other.inc", "get one of that signer")
    refused(versions / "v1.kb", versions / "other.inc", "not by the key", require_signature=str(public))
    found = Increment.load(versions / "good.inc")
    replace(found, to=replace(found.to, made_s=1.0)).save(versions / "bad.inc")
    refused(versions / "v1.kb", versions / "bad.inc", "not one of its content")
    with KnowledgeBase(versions / "v1.kb", require_signature=str(public)) as base:
        apply_increment(base, versions / "good.inc", str(public))
    with KnowledgeBase(versions / "v1.kb", require_signature=str(public)) as base:
        assert base.version == 2


def test_keys_that_are_none_are_refused(tmp_path, keys):
    (public, secret), _ = keys
    (tmp_path / "bad.sign").write_text("-----BEGIN PUBLIC KEY-----\nnothing\n")
    for key in (tmp_path / "bad.sign", tmp_path / "none.sign", "zz", tmp_path):
        with pytest.raises(KnowledgeError):
            public_key(str(key))
    with pytest.raises(KnowledgeError, match="another name"):
        make_pair(tmp_path / "keys" / "mine")
    os.chmod(secret, 0o644)
    with made_base(tmp_path / "a.kb", 2) as base:
        with pytest.raises(KnowledgeError, match="read by others"):
            base.sign(secret)
        with pytest.raises(KnowledgeError, match="no secret key"):
            os.chmod(public, 0o600)
            base.sign(public)


def test_without_cryptography_a_signed_base_is_refused_and_an_unsigned_one_read(tmp_path, keys, monkeypatch):
    import sys

    (_, secret), _ = keys
    with made_base(tmp_path / "a.kb", 2) as base:
        made_base(tmp_path / "b.kb", 2).close()
        base.sign(secret)
    for name in [name for name in sys.modules if name.startswith("cryptography")] + ["cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    KnowledgeBase(tmp_path / "b.kb").close()
    with pytest.raises(MissingDependencyError, match="cryptography"):
        KnowledgeBase(tmp_path / "a.kb")
