# SPDX-License-Identifier: GPL-3.0-or-later
"""Views: their words, what they show, how they are drawn."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prestored_folders import DATA, ITEMS, SIDE

from sdr_sc.errors import ContractError, SdrScError
from sdr_sc.semantic.modalities.image_views import (
    ViewFields,
    ViewPolicy,
    apply_views,
    draw_views,
    identity_views,
    pack,
    unpack,
)

pytestmark = pytest.mark.usefixtures("one_thread")


SIDES = st.integers(0, 63)
VIEWS = SIDES.flatmap(
    lambda erase: st.tuples(
        st.booleans(),
        st.integers(-15, 15),
        st.integers(-15, 15),
        st.just(erase),
        *(st.integers(-(erase // 2), 127 - erase // 2) if erase else st.just(0) for _ in range(2)),
    )
)


@given(st.lists(VIEWS, min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_a_view_fits_its_word(views: list[tuple]) -> None:
    words = pack(ViewFields(*map(np.array, zip(*views, strict=True))))
    assert words.dtype == np.uint32
    assert [tuple(map(int, view)) for view in zip(*unpack(words), strict=True)] == [tuple(map(int, v)) for v in views]


@pytest.mark.parametrize(
    "wrong", [{"dy": 16}, {"dx": -16}, {"erase": 64}, {"top": -5, "erase": 8}, {"left": 124, "erase": 8}, {"top": 1}]
)
def test_a_view_that_does_not_fit_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="view"):
        pack(ViewFields(False, 0, 0, 0, 0, 0)._replace(**wrong))


def slowly_applied(image: np.ndarray, view: ViewFields) -> np.ndarray:
    height, width = image.shape
    flipped = image[:, ::-1] if view.flip else image
    out = np.zeros_like(image)
    for row, column in itertools.product(range(height), range(width)):
        source_row, source_column = row - view.dy, column - view.dx
        if 0 <= source_row < height and 0 <= source_column < width:
            out[row, column] = flipped[source_row, source_column]
        if view.top <= row < view.top + view.erase and view.left <= column < view.left + view.erase:
            out[row, column] = 0
    return out


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (5, 9), (12, 12)]), st.integers(0, 15), st.integers(0, 20))
@settings(deadline=None, max_examples=25)
def test_views_show_what_a_plain_loop_shows(seed: int, shape: tuple[int, int], shift: int, erase: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 256, size=(6, *shape)).astype(np.uint8)
    fields = [rng.integers(2, size=6), *rng.integers(-shift, shift + 1, size=(2, 6)), np.full(6, erase)]
    places = [rng.integers(-(erase // 2), shape[axis] + 9, size=6) * (erase > 0) for axis in (0, 1)]
    words = pack(ViewFields(*fields, *places))
    views = map(ViewFields._make, zip(*unpack(words), strict=True))
    expected = [slowly_applied(image, view) for image, view in zip(images, views, strict=True)]
    shown = apply_views(torch.from_numpy(images), words)
    assert shown.dtype == torch.uint8 and np.array_equal(shown.numpy(), expected)
    assert torch.equal(shown, apply_views(torch.from_numpy(images), torch.from_numpy(words.astype(np.int64))))


@pytest.mark.parametrize("erase", [0, 2, 3])
def test_every_view_of_a_policy_is_drawn(erase: int) -> None:
    height, width, half = 3, 4, erase // 2
    fields = unpack(draw_views(ViewPolicy(1, erase, 0.5), (height, width), 8000, np.random.default_rng(1)))
    assert len(np.unique(np.stack((fields.flip, fields.dy, fields.dx)), axis=1).T) == 2 * 3 * 3
    assert np.mean(fields.flip) == pytest.approx(0.5, abs=0.03)
    assert np.mean(fields.erase > 0) == pytest.approx(0.5 if erase else 0, abs=0.03)
    if erase:
        inside = fields.erase > 0
        assert set(fields.top[inside]) == set(range(-half, height - half))
        assert set(fields.left[inside]) == set(range(-half, width - half))


def test_draws_are_those_that_models_and_teachers_were_made_with() -> None:
    """Runs that were interrupted before a change of the code have to go on as they would have."""

    def told(content: np.ndarray) -> str:
        return hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest()[:16]

    for policy, digest in ((ViewPolicy(1, 0), "699fde7dbd60add1"), (ViewPolicy(2, 8), "42d95423b2a95d27")):
        assert told(draw_views(policy, (28, 28), 200, np.random.default_rng(3)).astype("<u4")) == digest


def test_policies_are_kept_and_checked() -> None:
    rng = np.random.default_rng(1)
    plain = draw_views(ViewPolicy(0, 0, 0.5, False), (28, 28), 50, rng)
    assert not plain.any() and not identity_views(3).any()
    images = torch.from_numpy(DATA.images)
    assert torch.equal(apply_views(images, identity_views(ITEMS)), images)
    for wrong in ({"shift": 16}, {"shift": -1}, {"erase": 64}, {"erase_share": 1.1}, {"erase_share": float("nan")}):
        with pytest.raises(SdrScError):
            ViewPolicy(**wrong)
    for shape in ((129, 28), (2, 28, 28), (28, 28, 3), (0, 4)):
        with pytest.raises(ContractError, match="sides of 1 to 128"):
            draw_views(ViewPolicy(), shape, 1, rng)
    for bad_images, count in ((images.float(), ITEMS), (images, 1), (images[0], SIDE)):
        with pytest.raises(ContractError, match="give uint8 of shape"):
            apply_views(bad_images, identity_views(count))
