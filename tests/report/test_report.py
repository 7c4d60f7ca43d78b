# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML report, from synthetic runs."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_pages import FRAME_FIELDS, ITEM_FIELDS, Page, make_run

from sdr_sc.errors import SdrScError
from sdr_sc.phy.numerology import Numerology
from sdr_sc.report.run.files import load_run
from sdr_sc.report.run.stats import channel_uses_saved, confusion_counts, running_accuracy, snr_levels
from sdr_sc.report.run.write import write_report
from sdr_sc.semantic.modalities.base import Modality, register_modality


def render(folder: Path) -> tuple[str, Page]:
    path = write_report(folder)
    assert path == folder / "report.html"
    source = path.read_text(encoding="utf-8")
    return source, Page(source)


def svgs(source: str) -> list[str]:
    return re.findall(r"<svg .*?</svg>", source, re.DOTALL)


def tile(page: Page, label: str) -> str:
    """The text that follows a headline figure's label."""
    text = " ".join(page.text.split())
    return text[text.index(label) + len(label) :][:160].strip()


def test_page_stands_by_itself(tmp_path: Path) -> None:
    source, page = render(make_run(tmp_path / "run", lost=(3,)))
    assert source.startswith("<!DOCTYPE html>")
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in source
    assert page.references
    for reference in page.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference
    assert not re.search(r"url\((?!#)", source) and "@import" not in source
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", source)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert len(page.ids) == len(set(page.ids)), "the plots' ids must not clash"
    inner = {reference[1:] for reference in page.references if reference.startswith("#")}
    inner |= set(re.findall(r"url\(#([^)]*)\)", source))
    assert inner <= set(page.ids)


def test_plots_take_the_page_s_colours_and_show_units(tmp_path: Path) -> None:
    source, _ = render(make_run(tmp_path / "run", lost=(3,)))
    drawn = svgs(source)
    assert len(drawn) == 8  # four plots, each for a laptop and for a phone
    for svg in drawn:
        ElementTree.fromstring(svg)
        assert "var(--" in svg and "#0100" not in svg and 'role="img"' in svg
        assert not re.search(r"(fill|stroke): #000000", svg), "black on a dark page"
    used = set(re.findall(r"var\(--(\w+)\)", source))
    assert used <= set(re.findall(r"--(\w+):", source))
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", source))
    for label in ("SNR (dB)", "k (symbols", "Accuracy (%)", "Frame index", "SNR set (dB)", "set (dB)", "Frames"):
        assert label in words
    assert "prefers-color-scheme: dark" in source


def test_headlines(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", lost=(3, 30))
    run = load_run(folder)
    _, page = render(folder)
    right = int(run.items.correct.sum())
    assert tile(page, "Accuracy").startswith(f"{100 * right / 120:.1f} %")
    assert f"those answered: {100 * right / 114:.1f} %" in tile(page, "Accuracy")
    assert tile(page, "Frames lost").startswith("2 of 40 5 % of the frames sent")
    assert tile(page, "Mean k").startswith("10.0 symbols")
    assert re.match(r"\+0\.[45]\d dB", tile(page, "SNR bias"))
    assert float(tile(page, "Latency").split()[0]) == pytest.approx(np.nanmedian(run.frames.latency_ms), rel=0.01)


def test_channel_uses_count_the_overhead(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "run", frames=10))
    on_air, features = channel_uses_saved(run)
    assert features == pytest.approx(1 - (4 + 16) / 2 / 16)
    samples = Numerology().frame_samples
    assert on_air == pytest.approx(1 - (samples(12) + samples(48)) / (2 * samples(48)))
    assert on_air < features


def test_accounting_in_words(tmp_path: Path) -> None:
    _, page = render(make_run(tmp_path / "good", lost=(5,)))
    assert "Every frame is accounted for: 40 sent = 39 answered + 1 lost (not detected: 1)." in page.text
    _, page = render(make_run(tmp_path / "bad", accounted=False, discrepancies=["the channel saw other frames"]))
    assert "Not every frame is accounted for." in page.text and "the channel saw other frames" in page.text
    _, page = render(make_run(tmp_path / "contradiction", frames_sent=41))
    assert "Not every frame is accounted for." in page.text
    assert "the blocks counted 41, the tables hold 40" in page.text


def test_accounting_that_was_not_written(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    del summary["accounting"], summary["config"], summary["sha256"]
    (folder / "summary.json").write_text(json.dumps(summary))
    _, page = render(folder)
    assert "did not write whether every frame is accounted for" in page.text
    assert "class 2" in page.text


def test_all_lost(tmp_path: Path) -> None:
    _, page = render(make_run(tmp_path / "run", frames=8, lost=tuple(range(8))))
    assert "No item was answered." in page.text and "No frame was delivered," in page.text
    assert tile(page, "Accuracy").startswith("0.0 %")
    assert tile(page, "SNR bias").startswith("–")
    assert len(re.findall(r"Lost\s*was", page.text)) == 6


@pytest.mark.parametrize("frames, lost, images", [(1, (), 1), (1, (0,), 1), (2, (1,), 0), (0, (), 0), (300, (), 48)])
def test_odd_sizes(tmp_path: Path, frames: int, lost: tuple[int, ...], images: int) -> None:
    source, page = render(make_run(tmp_path / "run", frames=frames, lost=lost, images=images))
    assert len(svgs(source)) == 8
    assert page.tags.count("img") == min(images, 24)
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)


def test_unknown_values_of_frames(tmp_path: Path) -> None:
    """An empty SNR (no truth from hardware) and an empty k are reported as unknown."""
    folder = make_run(tmp_path / "run", frames=4)
    text = (folder / "frames.csv").read_text()
    rows = [line.split(",") for line in text.splitlines()]
    for row in rows[1:]:
        row[1] = row[4] = ""
    (folder / "frames.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    _, page = render(folder)
    assert tile(page, "Channel uses saved").startswith("–")
    assert tile(page, "SNR bias").startswith("–")


def test_text_from_a_run_is_escaped(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", 'A & "B" $x^2$', "日本 $"]
    folder = make_run(tmp_path / "a <b>run", classes=names)
    summary = json.loads((folder / "summary.json").read_text())
    summary["command"] = "sdr-sc demo '</code><img src=http://example.org/x>'"
    summary["config"]["note"] = "{{ 7 * 7 }}<b>"
    del summary["sha256"]
    (folder / "summary.json").write_text(json.dumps(summary))
    source, page = render(folder)
    assert "script" not in page.tags and "b>run" in page.text and "{{ 7 * 7 }}<b>" in page.text
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    for name in names:
        assert name in page.text
    drawn = html.unescape(" ".join(svgs(source)))
    assert 'A & "B" $x^2$' in drawn and "日本 $" in drawn and "<script>alert(1…" in drawn


def test_strip_pictures_are_the_items_pictures(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", images=5)
    source, page = render(folder)
    pictures = np.load(folder / "images.npz")["images"]
    uris = [reference for reference in page.references if reference.startswith("data:")]
    for uri, expected in zip(uris, pictures, strict=True):
        decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
        np.testing.assert_array_equal(decoded, expected)
    run = load_run(folder)
    states = ["right" if right else "wrong" for right in run.items.correct[:5]]
    assert re.findall(r'<li class="(\w+)">', source) == states


def test_items_of_another_modality_are_shown_by_it_and_unknown_ones_as_bytes(tmp_path: Path) -> None:
    class Speech(Modality):
        name = "speech of a test"

        @classmethod
        def text(cls, item: np.ndarray) -> str:
            return f"<{bytes(item).decode('ascii')}>"

    folder = make_run(tmp_path / "run", images=2)
    spoken = np.frombuffer(b"yesno ", np.uint8).reshape(2, 3)
    np.savez(folder / "images.npz", images=spoken, item_id=np.arange(2), modality=np.array(Speech.name))
    assert "3 bytes: 79 65 73" in render(folder)[0] and "data:" not in render(folder)[0]
    register_modality(Speech)
    source, page = render(folder)
    assert "<yes>" in page.text and "&lt;yes&gt;" in source
    np.savez(folder / "images.npz", images=spoken | 128, item_id=np.arange(2), modality=np.array(Speech.name))
    assert "cannot be shown ('ascii' codec can't decode" in render(folder)[1].text


@pytest.mark.parametrize(
    ("images", "modality"),
    [
        (np.zeros((2, 5), np.uint8), np.array("image")),
        (np.zeros(2, np.uint8), np.array("tone")),
        (np.zeros((2, 0), np.uint8), np.array("tone")),
        (np.zeros((2, 5), np.int16), np.array("tone")),
        (np.zeros((2, 5), np.uint8), np.array(["tone"])),
        (np.zeros((2, 5), np.uint8), np.array("x" * 500)),
    ],
)
def test_items_that_are_none_are_refused(tmp_path: Path, images: np.ndarray, modality: np.ndarray) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    np.savez(folder / "images.npz", images=images, item_id=np.arange(2), modality=modality)
    with pytest.raises(SdrScError, match=re.escape("images.npz has")):
        write_report(folder)


def test_goals_are_shown_as_met_or_missed(tmp_path: Path) -> None:
    _, page = render(make_run(tmp_path / "run"))
    assert re.search(r"accuracy\s+80\.5 %\s+78 to 83\s+120\s+>= 75 %\s+yes", page.text)


def test_same_run_same_page(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", lost=(2,))
    assert render(folder)[0] == render(folder)[0]


def test_confusion_counts_every_item_once(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "run", lost=(1, 2)))
    counts = confusion_counts(run)
    assert counts.shape == (3, 4) and counts.sum() == 120
    assert counts[:, 3].sum() == 6
    assert np.trace(counts) == run.items.correct.sum()


def test_running_accuracy_is_of_the_last_answers(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "run", frames=50, lost=(20,)))
    at, share, low, high = running_accuracy(run, window=30)
    assert at[-1] == 49 and 20 not in at
    right = run.items.correct[run.items.answered]
    assert share[-1] == pytest.approx(100 * right[-30:].mean())
    assert share[0] == pytest.approx(100 * right[: 3 * (int(at[0]) + 1)].mean())
    assert (low <= share).all() and (share <= high).all()


def test_many_snr_levels_are_grouped(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=60)
    rows = [line.split(",") for line in (folder / "frames.csv").read_text().splitlines()]
    for index, row in enumerate(rows[1:]):
        row[1] = f"{index * 0.5 - 3:.4f}"
    (folder / "frames.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    run = load_run(folder)
    levels, place = snr_levels(run)
    assert 2 < len(levels) <= 13 and (place >= 0).all()
    assert np.abs(levels[place] - run.item_snr_set_db()).max() <= (levels[1] - levels[0]) / 2 + 1e-9


def test_rows_out_of_order_are_sorted(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=10)
    before = load_run(folder)
    for name in ("frames.csv", "items.csv"):
        head, *rows = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([head, *(rows[5:] + rows[:5])]) + "\n")
    after = load_run(folder)
    np.testing.assert_array_equal(after.frames.snr_est_db, before.frames.snr_est_db)
    np.testing.assert_array_equal(np.sort(after.items.item_id), before.items.item_id)
    np.testing.assert_array_equal(after.item_snr_set_db(), before.item_snr_set_db())


@pytest.mark.parametrize("name", ["summary.json", "frames.csv", "items.csv", "images.npz"])
def test_missing_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    (folder / name).unlink()
    with pytest.raises(SdrScError, match=re.escape(name)) as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "name, content, complaint",
    [
        ("summary.json", "{", "is not JSON that can be read"),
        ("summary.json", "[]", "no JSON object"),
        ("summary.json", '{"config": 3}', "'config'"),
        ("frames.csv", "frame_index\n0\n", "no column 'snr_set_db'"),
        ("frames.csv", "", "no column 'frame_index'"),
        ("frames.csv", ",".join(FRAME_FIELDS) + "\n0,x,1,1,4,3,delivered,1,1\n", "line 2: snr_set_db 'x'"),
        ("frames.csv", ",".join(FRAME_FIELDS) + "\n0,1,1,1,4,3,gone,1,1\n", "status 'gone'"),
        ("frames.csv", ",".join(FRAME_FIELDS) + "\n0.5,1,1,1,4,3,lost,1,1\n", "not a whole number"),
        ("frames.csv", ",".join(FRAME_FIELDS) + "\n0,1\n", "2 cells where the header has 9"),
        ("items.csv", ",".join(ITEM_FIELDS) + "\n0,0,,1,4,1,1,1\n", "label ''"),
        ("items.csv", ",".join(ITEM_FIELDS) + "\n0,0,-2,1,4,1,1,1\n", "label -2 is not within 0 to 2"),
        ("images.npz", "not a zip", "not an archive"),
    ],
)
def test_damaged_file_is_one_sentence(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    (folder / name).write_text(content)
    with pytest.raises(SdrScError, match=re.escape(complaint)) as caught:
        write_report(folder)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_images_of_a_wrong_shape(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", frames=2)
    np.savez(folder / "images.npz", images=np.zeros((2, 28, 28)), item_id=np.arange(2))
    with pytest.raises(SdrScError, match="uint8"):
        write_report(folder)
    np.savez(folder / "images.npz", images=np.array([{}], dtype=object), item_id=np.arange(1))
    with pytest.raises(SdrScError, match="not an archive"):
        write_report(folder)
