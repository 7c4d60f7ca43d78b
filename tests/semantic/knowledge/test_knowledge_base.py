# SPDX-License-Identifier: GPL-3.0-or-later
"""A global base: what goes in comes out, searches are right, versions and checksums follow the content alone."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from knowledge_entries import SPACE, content, made_base, made_entry

from sdr_sc.errors import KnowledgeError
from sdr_sc.semantic.knowledge.base import KnowledgeBase
from sdr_sc.semantic.knowledge.index import ApproximateIndex, lists_for
from sdr_sc.semantic.knowledge.interface import all_names, classes_of
from sdr_sc.semantic.knowledge.storage import table
from sdr_sc.semantic.knowledge.storage.signatures import make_pair
from sdr_sc.semantic.knowledge.storage.table import VectorTable


def test_all_that_an_entry_holds_comes_back(tmp_path):
    with made_base(tmp_path / "a.kb") as base:
        wanted = [made_entry(number) for number in range(20)]
        found = [base.entry(number) for number in base.table.ids.tolist()]
        assert len(base) == 20 and base.version == 1 and base.space == SPACE
        for one, other in zip(wanted, found, strict=True):
            assert np.array_equal(one.vector, other.vector) and other.vector.dtype == np.float32
            for name in ("key", "title", "answers", "source", "text", "picture", "added_s"):
                assert getattr(one, name) == getattr(other, name)
        assert any(one.picture for one in found) and any(one.text for one in found)


def test_the_checksum_is_of_the_content_whatever_the_order(tmp_path):
    entries = [made_entry(number) for number in range(10)]
    states = [
        KnowledgeBase.create(tmp_path / f"{name}.kb", SPACE, [entries[place] for place in order])
        for name, order in {"a": range(10), "b": range(9, -1, -1)}.items()
    ]
    assert states[0].checksum == states[1].checksum and states[0].base_id != states[1].base_id
    for name in ("title", "source", "text", "picture", "added_s", "answers", "vector", "key"):
        value = getattr(made_entry(3, seed=9, key="x", title="y", source="z", text="t", added_s=1.0), name)
        value = {"classification": "other"} if name == "answers" else b"" if name == "picture" else value
        changed = [*entries[:5], made_entry(5, **{name: value}), *entries[6:]]
        state = KnowledgeBase.create(tmp_path / f"{name}.kb", SPACE, changed)
        assert state.checksum != states[0].checksum, name


def test_changes_make_versions_and_survive(tmp_path):
    path = tmp_path / "a.kb"
    with made_base(path, 5) as base:
        first = base.checksum
        base.change(add=[made_entry(7)], replace_=[made_entry(2, seed=4)], delete=["key 00001"])
        assert base.version == 2 and base.checksum != first
        wanted = content(base)
        base.change(add=[made_entry(1)], delete=["key 00007"], replace_=[made_entry(2)])
        assert base.checksum == first and base.version == 3
    with KnowledgeBase(path) as again:
        assert again.checksum == first and again.version == 3 and wanted != content(again)
        assert set(content(again)) == {f"key {number:05d}" for number in range(5)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"add": [made_entry(9), made_entry(1)]}, "already"),
        ({"replace_": [made_entry(9)]}, "no entry of key"),
        ({"add": [made_entry(9)], "delete": ["nothing"]}, "no entry of key"),
        ({"add": [made_entry(9), made_entry(10, vector=np.full(8, np.nan))]}, "not finite"),
    ],
)
def test_of_changes_that_are_refused_nothing_stays(tmp_path, changes, said):
    path = tmp_path / "a.kb"
    with made_base(path, 5) as base:
        before = content(base)
        with pytest.raises(KnowledgeError, match=said):
            base.change(**changes)
        assert content(base) == before and base.version == 1 and len(base) == 5
    with KnowledgeBase(path) as again:
        assert content(again) == before and again.version == 1


def by_hand(vectors: np.ndarray, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the nearest, and cosines, in float64."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = queries @ unit.T / np.linalg.norm(queries, axis=1, keepdims=True)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(cosine, order, axis=1)


@pytest.mark.parametrize("known", [None, 8, 4, 1])
def test_search_is_that_of_the_definition(tmp_path, known):
    with made_base(tmp_path / "a.kb", 40) as base:
        base.change(delete=["key 00003"])
        vectors = np.stack([entry.vector for entry in base.entries()]).astype(np.float64)
        queries = np.random.default_rng(5).standard_normal((300, 8))
        part = 8 if known is None else known
        places, cosine = by_hand(vectors[:, :part], queries[:, :part], 7)
        found = base.search(queries.astype(np.float32), 7, known)
        assert found.ids.dtype == np.int64 and found.similarity.dtype == np.float32
        assert np.allclose(found.similarity, cosine, atol=1e-5)
        if part > 1:  # of one number, cosines are 1 or -1
            assert np.array_equal(found.ids, base.table.ids[places])


def test_a_query_without_direction_finds_nothing_and_few_entries_leave_places_empty(tmp_path):
    with made_base(tmp_path / "a.kb", 3) as base:
        queries = np.ones((5, 8), np.float32)
        queries[0], queries[1, 3], queries[2, 0] = 0.0, np.nan, np.inf
        queries[3] = 3e38
        found = base.search(queries, 5)
        assert (found.ids[:3] == -1).all() and (found.similarity[:3] == -1).all()
        assert (found.ids[3:, :3] > 0).all() and (found.ids[3:, 3:] == -1).all()
        assert np.allclose(found.similarity[3], found.similarity[4])
        for queries, count, known in ((np.ones((2, 7)), 1, None), (np.ones(8), 1, None), (np.ones((1, 8)), 0, None),
                                      (np.ones((1, 8)), 1, 9), (np.full((1, 8), "a"), 1, None)):  # fmt: skip
            with pytest.raises(KnowledgeError):
                base.search(queries, count, known)


def test_an_empty_base_answers_that_it_knows_nothing(tmp_path):
    with made_base(tmp_path / "a.kb", 0) as base:
        found = base.search(np.ones((2, 8), np.float32), 3)
        assert (found.ids == -1).all() and base.names_of("classification") == ()
        assert classes_of(base, found.ids, "classification", ("class 0",)).tolist() == [[-1] * 3] * 2


def test_answers_have_numbers_of_the_contract_and_beyond(tmp_path):
    with made_base(tmp_path / "a.kb", 6) as base:
        base.change(add=[made_entry(9, answers={"subgroup": "cat"})])
        names = all_names(base, "classification", ("class 1", "other"))
        assert names == ("class 1", "other", "class 0", "class 2")
        ids = np.append(base.table.ids, [-1, 12345])
        assert classes_of(base, ids, "classification", names).tolist() == [2, 0, 3, 2, 0, 3, -1, -1, -1]
        assert base.answers_of(ids[6:8].reshape(2, 1), "subgroup").tolist() == [["cat"], [""]]


def test_a_table_that_changes_at_random_finds_what_a_new_one_finds():
    rng = np.random.default_rng(3)
    grown, kept, next_id = VectorTable(4), {}, 1
    for step in range(2000):
        doing = rng.random()
        if doing < 0.45 or not kept:
            kept[next_id] = (rng.standard_normal(4).astype(np.float32), f"c{step % 300}")
            grown.put(next_id, kept[next_id][0], {"t": kept[next_id][1]})
            next_id += 1
        elif doing < 0.6:
            number = int(rng.choice(list(kept)))
            kept[number] = (rng.standard_normal(4).astype(np.float32), f"d{step}")
            grown.put(number, kept[number][0], {"t": kept[number][1]})
        else:
            number = int(rng.choice(list(kept)))
            del kept[number]
            grown.remove(number)
        if step % 50 == 0 and kept:
            ids = np.array(sorted(kept))
            query = rng.standard_normal((3, 4))
            places, cosine = by_hand(np.stack([kept[number][0] for number in ids.tolist()]).astype(float), query, 5)
            found = grown.search(query, 5)
            width = places.shape[1]
            assert np.array_equal(found.ids[:, :width], ids[places]) and (found.ids[:, width:] == -1).all()
            assert grown.answers_of(ids, "t").tolist() == [kept[number][1] for number in ids.tolist()]
            assert grown.names_of("t") == tuple(sorted({name for _, name in kept.values()}))
            assert np.array_equal(grown.ids, ids)


def clustered(count: int, dimension: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((200, dimension))
    return (centres[rng.integers(0, 200, count)] + 0.4 * rng.standard_normal((count, dimension))).astype(np.float32)


def test_the_index_finds_what_the_exact_search_finds(monkeypatch):
    monkeypatch.setattr(table, "EXACT_LIMIT", 1000)
    vectors, queries = clustered(20_000, 16, 1), clustered(200, 16, 2)
    exact = VectorTable(16, np.arange(1, 20_001), vectors, np.zeros(20_000, np.int32), [{}])
    indexed = VectorTable(16, np.arange(1, 20_001), vectors, np.zeros(20_000, np.int32), [{}])
    indexed.index = ApproximateIndex(indexed.ids, indexed.vectors)
    assert len(indexed.index) == 20_000 and lists_for(20_000) == 128
    for step in range(2):
        wanted, found = exact.search(queries, 10), indexed.search(queries, 10)
        shared = [len(set(a) & set(b)) for a, b in zip(wanted.ids.tolist(), found.ids.tolist(), strict=True)]
        assert np.mean(shared) >= 9.8
        assert (np.diff(found.similarity, axis=1) <= 0).all()
        partly = [t.search(queries, 10, 12).ids.tolist() for t in (exact, indexed)]
        shared = [len(set(a) & set(b)) for a, b in zip(*partly, strict=True)]
        assert np.mean(shared) >= 9.0
        # Then without the nearest of each query, and with the query itself as an entry.
        for changed in (exact, indexed) if step == 0 else ():
            for number in np.unique(wanted.ids[:, 0]).tolist():
                changed.remove(number)
            for number, query in enumerate(queries, 20_001):
                changed.put(number, query, {})
    assert found.ids[:, 0].tolist() == list(range(20_001, 20_201))


def test_a_large_base_gets_an_index_that_is_kept_in_the_cache(tmp_path, monkeypatch):
    from sdr_sc import places
    from sdr_sc.semantic.knowledge import base as base_module
    from sdr_sc.semantic.knowledge.storage import loading

    for module in (table, loading, base_module):
        monkeypatch.setattr(module, "EXACT_LIMIT", 50)
    monkeypatch.setattr(places, "_cache_folder", lambda *_: tmp_path / "cache")
    (tmp_path / "cache").mkdir(mode=0o700)
    with made_base(tmp_path / "a.kb", 200) as base:
        assert base.table.index is not None
        kept = list((tmp_path / "cache" / "knowledge").glob("*.faiss"))
        assert len(kept) == 1
        query = made_entry(150).vector[None]
        assert base.entry(int(base.search(query, 1).ids[0, 0])).key == "key 00150"
    made = []
    monkeypatch.setattr(ApproximateIndex, "__init__", lambda self, *_: made.append(self))
    with KnowledgeBase(tmp_path / "a.kb") as base:
        assert not made and base.search(query, 1).similarity[0, 0] > 0.9999


def test_without_faiss_a_large_base_is_searched_exactly_and_says_so(tmp_path, monkeypatch, caplog):
    import sys

    from sdr_sc.semantic.knowledge.storage import loading

    monkeypatch.setattr(loading, "EXACT_LIMIT", 50)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with made_base(tmp_path / "a.kb", 60) as base:
        assert base.table.index is None
        assert "'faiss' is missing" in caplog.text and caplog.text.count("\n") == 1
        assert base.search(made_entry(33).vector[None], 1).similarity[0, 0] > 0.9999


def test_a_base_continues_another(tmp_path):
    with made_base(tmp_path / "a.kb", 5) as old:
        state = KnowledgeBase.create(tmp_path / "b.kb", SPACE, [made_entry(1)], "toy", continues=old.state)
        assert (state.base_id, state.version, state.entries) == (old.base_id, 2, 1)


def test_a_base_that_another_process_has_changed_says_so(tmp_path):
    with made_base(tmp_path / "a.kb", 5) as one, KnowledgeBase(tmp_path / "a.kb") as other:
        other.change(delete=["key 00001"])
        for use in (lambda: one.entry(1), lambda: one.change(delete=["key 00002"])):
            with pytest.raises(KnowledgeError, match="another process"):
                use()


def test_a_base_is_current_until_somebody_else_changes_its_file(tmp_path):
    path = tmp_path / "a.kb"
    with made_base(path, 5) as one, KnowledgeBase(path) as other:
        assert one.is_current() and one.is_current()
        one.change(delete=["key 00003"])
        assert one.is_current() and not other.is_current()
        other = other.reopened()
        assert other.is_current() and other.version == 2
        with other.store.writing():  # a writer that is not done, then one that gave up
            assert one.is_current()
        assert one.is_current() and other.is_current()
        other.change(add=[made_entry(9)])
        assert not one.is_current() and not one.is_current() and len(one) == 4
        with one.reopened() as again:
            assert again.is_current() and content(again) == content(other)
        other.close()


def test_a_base_is_not_current_once_another_file_has_its_name(tmp_path):
    path = tmp_path / "a.kb"
    with made_base(path, 5) as base, made_base(tmp_path / "b.kb", 6) as other:
        (tmp_path / "b.kb").replace(path)
        assert not base.is_current()
        again = base.reopened()
        assert again.is_current() and again.base_id == other.base_id != base.base_id
        path.unlink()
        assert not again.is_current()
        with pytest.raises(KnowledgeError, match=r"a\.kb cannot be read"):
            again.reopened()
        assert len(again.search(np.ones((1, 8), np.float32), 1).ids) == 1
        again.close()


def test_a_base_that_is_opened_again_has_to_fit_as_before(tmp_path):
    path = tmp_path / "a.kb"
    make_pair(tmp_path / "me")
    with made_base(path, 5) as base:
        base.sign(tmp_path / "me.sign_secret")
    with KnowledgeBase(path, require_signature=str(tmp_path / "me.sign")) as base:
        with KnowledgeBase(path) as other:
            other.change(delete=["key 00001"])
        assert not base.is_current()
        with pytest.raises(KnowledgeError, match="not signed"):
            base.reopened()


def test_a_copy_is_the_same_base(tmp_path):
    with made_base(tmp_path / "a.kb", 5) as base:
        shutil.copy(tmp_path / "a.kb", tmp_path / "b.kb")
        with KnowledgeBase(tmp_path / "b.kb") as copy:
            assert copy.state == base.state and content(copy) == content(base)
