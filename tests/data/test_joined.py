# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets of pictures and of texts as one."""

from __future__ import annotations

import numpy as np
import pytest
import toy_named_pictures
import toy_texts

from sdr_sc.data.catalogue import load_dataset
from sdr_sc.data.joint.joined import JoinedSet
from sdr_sc.data.joint.slots import PICTURE, TEXT, planes_of, side_of, texts_of
from sdr_sc.data.texts import text_of
from sdr_sc.errors import DataSetError

SPEC = f"{toy_texts.NAME}+{toy_named_pictures.NAME}"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    toy_texts.register()
    toy_named_pictures.register()


def joined(split: str = "test", only: str = "") -> JoinedSet:
    found = load_dataset(SPEC + (f",only={only}" if only else ""), split)  # type: ignore[arg-type]
    assert isinstance(found, JoinedSet)
    return found


def test_items_are_those_of_the_members_and_the_names_of_pictures() -> None:
    data, texts, pictures = joined(), toy_texts.load("test"), toy_named_pictures.load("test")
    assert [(one.key, one.kind, len(one)) for one in data.members] == [
        ("toy_texts", "texts", 60), ("toy_named_pictures", "pictures", 48), ("toy_named_pictures_names", "names", 12)
    ]  # fmt: skip
    items = data.items(np.arange(len(data)))
    assert items.shape == (120, *data.item_shape) and side_of(items.shape[1]) == 16
    assert items[:, 0].tolist() == [TEXT] * 60 + [PICTURE] * 48 + [TEXT] * 12
    assert np.array_equal(planes_of(items[60:108]), pictures.images)
    said = [text_of(one) for one in texts_of(items, 60)[np.r_[0:60, 108:120]]]
    assert said == [*texts.texts, *toy_named_pictures.NAMES]
    assert np.array_equal(data.items(np.array([119, 3])), items[[119, 3]]), "in any order"


def test_answers_are_one_list_for_all_and_unknown_where_a_member_lacks_the_task() -> None:
    data, every = joined(), np.arange(120)
    assert data.tasks == ("classification", "subgroup", "retrieval")
    assert data.names("classification") == (*toy_texts.KINDS, *toy_named_pictures.SHAPES)
    named = [data.names("subgroup")[place] for place in data.targets("subgroup", every)]
    assert named[60] == "red" and named[119] == "yellow" and named[0] == "small"
    entries = data.targets("retrieval", every)
    assert entries[:60].tolist() == list(range(60)) and set(entries[60:]) == set(range(60, 72))
    pairs = data.names_of_items
    assert (pairs[:60] == -1).all() and (pairs[108:] == -1).all()
    assert np.array_equal(entries[pairs[60:108]], entries[60:108]), "a picture and its name are one entry"
    assert np.array_equal(data.groups[pairs[60:108]], data.groups[60:108]) and len(np.unique(data.groups)) == 72
    assert [round(share, 3) for _, share in data.strata()] == [0.6, 0.3, 0.1]
    with pytest.raises(DataSetError, match="no targets for the task 'question'"):
        data.targets("question", every)


def test_one_members_items_have_the_answers_of_all() -> None:
    whole, names = joined(), joined(only="toy_named_pictures_names")
    assert len(names) == 12 and names.names("retrieval") == whole.names("retrieval")
    assert names.targets("retrieval", np.arange(12)).tolist() == list(range(60, 72))
    assert names.targets("classification", np.arange(3)).tolist() == [3, 4, 5]
    assert names.sha256 != whole.sha256 != joined("train").sha256 == whole.training_sha256 == names.training_sha256
    assert [round(share, 3) for _, share in names.strata()] == [1.0]


def test_vectors_of_members_are_gathered() -> None:
    data = joined()
    of_texts, of_pictures = np.arange(60.0)[:, None], 100 + np.arange(48.0)[:, None]
    found = data.of_members([of_texts, of_pictures, of_pictures])[:, 0]
    assert found[:108].tolist() == [*range(60), *range(100, 148)]
    assert found[108:].tolist() == [100 + 4 * entry for entry in range(12)], "a name has that of a picture of its entry"


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        (f"{SPEC}+nothing", "'nothing' is unknown; join names such as"),
        (f"{SPEC}+{toy_texts.NAME}", "a member is named twice"),
        (f"{SPEC},only=dogs", "no member 'dogs'; use one of toy_texts, toy_named_pictures, toy_named_pictures_names"),
        (f"{SPEC},size=3", "option 'size=3' is unknown; use only=MEMBER and side=PIXELS, each once"),
    ],
)
def test_what_cannot_be_joined_is_said_in_one_sentence(spec: str, match: str) -> None:
    with pytest.raises(DataSetError, match=match) as caught:
        load_dataset(spec, "test")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
