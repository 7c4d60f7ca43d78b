# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of sweeps: its text, its plots, its files and its errors."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command import assert_one_line_error, sdr_sc
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from run_pages import Page, make_run
from sweep_studies import about_of, made_up, of_table, view_of, write

from sdr_sc.data.dataset import ImageSet
from sdr_sc.errors import DataSetError, SdrScError
from sdr_sc.report.colours import DARK, LIGHT, SERIES
from sdr_sc.report.sweep import page as page_module
from sdr_sc.report.sweep import selection as view_module
from sdr_sc.report.sweep.figures import accuracy_figure
from sdr_sc.report.sweep.page import render
from sdr_sc.report.sweep.rerun_config import config_yaml
from sdr_sc.report.sweep.results_set import load_study
from sdr_sc.report.sweep.selection import View
from sdr_sc.report.sweep.tables import saving
from sdr_sc.report.sweep.text_tables import need_table
from sdr_sc.report.sweep.write import write_sweep_report
from sdr_sc.sweep.config import config_from
from sdr_sc.sweep.grid import Point
from sdr_sc.sweep.results import write_results


@pytest.fixture(scope="module")
def page(view: View) -> tuple[str, Page]:
    source = render(view)
    return source, Page(source)


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without their plots, which take seconds, for tests of words."""
    monkeypatch.setattr(page_module, "plot", lambda *_: {"wide": "", "narrow": ""})


def one_line(page: Page) -> str:
    return " ".join(page.text.split())


# The page


def test_page_stands_by_itself(page: tuple[str, Page]) -> None:
    source, parsed = page
    assert source.startswith("<!DOCTYPE html>") and "SPDX-License-Identifier: GPL-3.0-or-later" in source
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in parsed.references)
    assert not re.search(r"url\((?!#)", source) and "@import" not in source
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert len(parsed.ids) == len(set(parsed.ids))
    inner = {r[1:] for r in parsed.references if r.startswith("#")} | set(re.findall(r"url\(#([^)]*)\)", source))
    assert inner <= set(parsed.ids)
    used = set(re.findall(r"var\(--(\w+)\)", source))
    assert used <= set(re.findall(r"--(\w+):", source)) and "#0100" not in source


def test_page_reports_what_was_measured_and_how_to_run_it_again(page: tuple[str, Page], view: View) -> None:
    source, parsed = page
    text = one_line(parsed)
    assert (
        "4 schemes (ours, pca, features_ldpc, label_ldpc) over 2 channels (awgn, tdl_c) at 3 SNRs from 0 to 20" in text
    )
    assert "36 points of 200 images" in text and "Every point of the grid was measured." in text
    assert "sdr-sc sweep study.yaml" in text and view.study.abouts[0]["data_set_sha256"] in text
    told = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", source, re.DOTALL)
    assert told is not None and config_from(yaml.safe_load(told[1].replace("&#39;", "'"))) == view.study.configs[0]


def test_page_reports_sizes_and_latencies(page: tuple[str, Page], tmp_path: Path, no_plots: None) -> None:
    text = one_line(page[1]).replace("\u00a0", " ")
    assert "Not stated: results of an earlier version" in text and "sizes:" not in text
    assert "Milliseconds an item; on air over awgn" in text and "at 1 MS/s, where an OFDM symbol of 52" in text
    assert "subcarriers lasts 80 µs" in text and "processor time of one core" in text
    told = one_line(Page(render(view_of(write(tmp_path / "x.parquet", schemes=["ours"])))))
    assert "Not stated" not in told and "47,856 193 43,402" in told


def test_page_lets_the_class_alone_compete_and_says_what_it_serves(
    page: tuple[str, Page], tmp_path: Path, no_plots: None
) -> None:
    text = one_line(page[1])
    assert "label_ldpc sends the answer itself, decided at the transmitter: it competes here, and serves this" in text
    assert "bound" not in text.lower()
    without = one_line(Page(render(view_of(write(tmp_path / "x.parquet", schemes=["ours", "features_ldpc"])))))
    assert "sends the answer itself" not in without


def test_page_shows_the_plots_the_matrices_and_the_images(page: tuple[str, Page]) -> None:
    source, parsed = page
    assert len(re.findall(r"<svg ", source)) == 2 * (2 + 2 + 2 + 4)  # each for a laptop and for a phone
    assert parsed.tags.count("img") == 12
    drawn = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", source))
    for label in ("ours (CAM)", "label_ldpc (class only)", "Accuracy (%)", "Payload symbols per item",
                  "no frame received", "receiver's estimates (dB)", "k = 16", "T-shirt/top"):  # fmt: skip
        assert label in drawn, label


def test_a_configuration_comes_back_from_its_yaml() -> None:
    content = {
        "schemes": ["ours", {"scheme": "ours", "name": "other", "model": "m.onnx", "k": [4, "cam"]},
                    {"scheme": "label_ldpc", "mode": "auto"},
                    {"scheme": "pca", "stop": {"interval_points": 2.5, "minimum_items": 300}}],
        "channels": {"a": "", "b": {"models": "rayleigh(doppler_hz=1)", "realisation_items": 9}, "c": "rician(k_db=3)",
                     "d": {"models": "", "feedback": {"error_db": -3, "delay_frames": 2, "loss": 0.1}},
                     "e": {"models": "", "feedback": {"assumed_db": 0}},
                     "f": {"models": "", "feedback": {"margin_db": -3, "loss_target": 0.02}}},
        "snr_db": {"from": -5, "to": 5, "step": 2.5}, "seeds": [1, 7], "k": [4, "cam"], "items": 123,
        "stop": {"interval_points": 1.5},
    }  # fmt: skip
    config = config_from(content)
    assert config_from(yaml.safe_load(config_yaml(config))) == config


def test_text_from_results_is_escaped(tmp_path: Path) -> None:
    evil = '<img src=x> "$x$" {{ 7 * 7 }}'
    path = write(
        tmp_path / "x.parquet",
        channels={evil: "", "b & c": ""},
        schemes=[{"scheme": "label_ldpc", "name": "label_ldpc"}],
    )
    source = render(view_of(path))
    parsed = Page(source)
    assert parsed.tags.count("img") == 12 and evil in parsed.text
    assert all(reference.startswith(("#", "data:")) for reference in parsed.references)


def test_results_with_less_than_a_report_can_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", schemes=["label_ldpc"], snr_db=[10], channels={"awgn": ""})
    text = one_line(Page(render(view_of(path))))
    assert "There is one SNR only" in text and "There is one scheme only" in text
    assert "Left out: no scheme was measured with both" in text and "Left out: there is one scheme only." in text
    assert not re.search(r"\bnan\b|\binf\b|None", text)

    monkeypatch.setattr(page_module, "plot", lambda *_: {"wide": "", "narrow": ""})

    def missing(*_: str) -> None:
        raise DataSetError("Fashion-MNIST file x is missing: install it.")

    monkeypatch.setattr(view_module, "load_items", missing)
    parsed = Page(render(view_of(path)))
    assert "Left out: Fashion-MNIST file x is missing" in one_line(parsed) and "img" not in parsed.tags
    other = ImageSet(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.int64), ("a",), "0" * 64)
    monkeypatch.setattr(view_module, "load_items", lambda *_: other)
    assert "is not the one that was measured on" in one_line(Page(render(view_of(path))))


def test_a_grid_that_is_not_whole(tmp_path: Path, no_plots: None) -> None:
    path = write(tmp_path / "x.parquet", keep=lambda p: p.snr_db == 0 or p.scheme == "ours" and p.k != 4)
    (tmp_path / "x.parquet.journal").write_text("")
    view = view_of(path)
    written = write_sweep_report([path], tmp_path / "x.html")
    assert len(view.study.missing) == 36 - 12 - 8
    assert "16 of 36 points are missing, such as ours, awgn 10 dB, k=4, seed 1" in written.warnings[0]
    assert "x.parquet is being measured, or its sweep was killed" in written.warnings[1]
    assert need_table(view, "awgn", "uses").rows[1][2] == "not measured"
    found = saving(view, view.reference, "awgn")
    assert found is not None and found.snrs == (0.0,)


def test_a_scheme_without_any_point_is_missing_at_each_k(tmp_path: Path) -> None:
    schemes = ["pca", "label_ldpc", "features_ldpc"]
    path = write(
        tmp_path / "x.parquet",
        keep=lambda p: p.scheme == "pca",
        schemes=schemes,
        k=[8, 16],
        make=lambda p, _: made_up(p, 15, 8),
    )
    missing = load_study([path]).missing
    assert {(point.scheme, point.k) for point in missing} == {
        ("label_ldpc", None),
        ("features_ldpc", 8),
        ("features_ldpc", 16),
    }
    assert len(missing) == 3 * 2 * 3


def test_nothing_received_anywhere(tmp_path: Path) -> None:
    def make(point: Point, _: object) -> Any:
        return made_up(point, 0, 4, snr_est_mean_db=None, frames_lost=4)

    path = write(tmp_path / "x.parquet", make, channels={"awgn": ""}, snr_db=[0, 10])
    text = one_line(Page(render(view_of(path))))
    assert "ours does not reach 90 % there" in text.replace("\u00a0", " ") and not re.search(
        r"\bnan\b|\binf\b|None", text
    )


@pytest.mark.parametrize("width", [350, 760, 1080])
def test_the_legend_stays_within_the_figure(tmp_path: Path, width: int) -> None:
    schemes = [{"scheme": "pca", "name": f"a rather long name, {i}{i * 'W'}"} for i in range(7)]
    path = write(tmp_path / "x.parquet", lambda p, _: made_up(p, 18, 4), channels={"awgn": ""}, schemes=schemes)
    figure = accuracy_figure(view_of(path), "awgn", width)
    FigureCanvasAgg(figure).draw()
    legend = figure.axes[0].get_legend().get_window_extent()
    plot = figure.axes[1].get_tightbbox(figure.canvas.get_renderer())
    assert legend.x1 <= width and legend.y1 <= figure.bbox.y1 and legend.y0 >= plot.y1


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_curves_stand_out_from_the_page(colours: dict[str, str]) -> None:
    def luminance(colour: str) -> float:
        """Relative luminance (WCAG 2.1)."""
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    card = luminance(colours["card"])
    for role in (*SERIES, "set"):
        low, high = sorted((luminance(colours[role]), card))
        assert (high + 0.05) / (low + 0.05) >= 3, role


# Files and errors


def test_parts_of_a_grid_make_one_report(tmp_path: Path, study_path: Path, no_plots: None) -> None:
    one = write(tmp_path / "one.parquet", snr_db=[0, 10])
    other = write(tmp_path / "other.parquet", snr_db=[10, 20])
    together, whole = load_study([one, other]), load_study([study_path])
    assert set(together.points) == set(whole.points) and not together.missing
    assert "one, other" in Page(render(View(together))).text


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"items_per_frame": 25}, "other.parquet was measured with items_per_frame 25, and"),
        (
            {"channels": {"awgn": "rayleigh(doppler_hz=1)"}},
            "with models of channel 'awgn' 'rayleigh(doppler_hz=1)', and",
        ),
        ({"make": lambda p, _: made_up(p, 3, 4)}, "have different results of ours, awgn 0 dB, k=4, seed 1"),
    ],
)
def test_files_that_contradict_each_other(tmp_path: Path, study_path: Path, changes: dict, complaint: str) -> None:
    other = write(tmp_path / "other.parquet", **changes)
    with pytest.raises(SdrScError, match=re.escape(complaint)) as caught:
        load_study([study_path, other])
    assert "\n" not in str(caught.value)


def test_the_same_points_twice_are_one(study_path: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again.parquet", lambda p, c: made_up_again(of_table(p, c)))
    assert len(load_study([study_path, again]).points) == 36


def made_up_again(result: Any) -> Any:
    """The same, measured by another commit in another time."""
    return replace(result, git="def", seconds=9.0)


def test_files_without_points_and_without_their_configuration(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.parquet", keep=lambda p: False)
    with pytest.raises(SdrScError, match="has no point yet; run its sweep first"):
        load_study([empty])
    about = about_of(config_from({"schemes": ["label_ldpc"], "snr_db": [0]}))
    del about["config"]["air"], about["config"]["k"]
    write_results(tmp_path / "x.parquet", about, [made_up(Point("label_ldpc", "awgn", 0, None, 1), 3, 4)])
    with pytest.raises(SdrScError, match="does not hold its configuration"):
        load_study([tmp_path / "x.parquet"])
    write_results(tmp_path / "y.parquet", about, [made_up(Point("pca", "awgn", 0, None, 1), 3, 4)])
    with pytest.raises(SdrScError, match="does not hold what the names of pca, awgn 0 dB, k=cam, seed 1 stand for"):
        load_study([tmp_path / "y.parquet"])
    del about["class_names"]
    write_results(tmp_path / "z.parquet", about, [made_up(Point("label_ldpc", "awgn", 0, None, 1), 3, 4)])
    with pytest.raises(SdrScError, match="does not hold its class_names; measure it again"):
        load_study([tmp_path / "z.parquet"])


def test_results_are_not_overwritten_by_their_page(study_path: Path) -> None:
    with pytest.raises(SdrScError, match="is a results file; give another --out"):
        write_sweep_report([study_path], study_path, force=True)


def test_pictures_for_papers(tmp_path: Path, no_plots: None) -> None:
    path, folder = write(tmp_path / "x.parquet", channels={"TDL-C, 300 ns": ""}, snr_db=[0, 20]), tmp_path / "figures"
    written = write_sweep_report([path], tmp_path / "x.html", folder)
    channel = "tdl-c_300_ns"
    names = {f"accuracy_{channel}", f"channel_uses_{channel}", f"symbols_on_air_{channel}", f"cam_{channel}",
             f"confusion_{channel}_0db", f"confusion_{channel}_20db"}  # fmt: skip
    assert {path.name for path in written.figures} == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    for picture in written.figures:
        content = picture.read_bytes()
        if picture.suffix == ".pdf":
            assert content.startswith(b"%PDF") and len(content) > 5000
            continue
        opened = Image.open(picture)
        pixels = np.asarray(opened.convert("L"), float)
        assert opened.info["dpi"] == pytest.approx((200, 200), abs=0.1) and opened.width >= 1200
        assert pixels[:5].min() == 255 and pixels[:, :5].min() == 255 and pixels[:, -5:].min() == 255  # nothing cut off
        assert 0.01 < (pixels < 200).mean() < 0.7  # neither empty nor black
    with pytest.raises(SdrScError, match=r"accuracy_.*png exists already; give another name, or --force"):
        write_sweep_report([path], tmp_path / "y.html", folder)
    assert not (tmp_path / "y.html").exists()


def test_the_same_results_make_the_same_page(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", channels={"awgn": ""}, snr_db=[0], schemes=["label_ldpc"])
    first = write_sweep_report([path], tmp_path / "x.html").page.read_bytes()
    assert write_sweep_report([path], tmp_path / "x.html", force=True).page.read_bytes() == first


def test_the_command(tmp_path: Path) -> None:
    study_path = write(
        tmp_path / "x.parquet", channels={"awgn": ""}, snr_db=[10], schemes=["label_ldpc", "features_ldpc"]
    )
    made = sdr_sc("report", study_path, "--out", tmp_path / "page.html", "--target", 80)
    assert made.returncode == 0 and made.stdout == f"wrote {tmp_path / 'page.html'}\n"
    assert made.stderr == "sdr-sc: warning: There is one SNR only, so that curves are single points.\n"
    assert "for 80" in (tmp_path / "page.html").read_text()
    assert_one_line_error(sdr_sc("report", study_path, "--out", tmp_path / "page.html"), "exists already", "--force")
    assert_one_line_error(sdr_sc("report", tmp_path / "none.parquet"), "none.parquet is not there", "sdr-sc sweep")


def test_the_command_on_a_run_s_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    made = sdr_sc("report", folder)
    assert made.returncode == 0 and "Every frame is accounted for" in (folder / "report.html").read_text()
    assert_one_line_error(sdr_sc("report", folder), "exists already", "--force")
    process = sdr_sc("report", folder, "--figures", tmp_path)
    assert process.returncode == 2 and "without --figures and --target" in process.stderr
    (tmp_path / "empty").mkdir()
    assert_one_line_error(sdr_sc("report", tmp_path / "empty"), "summary.json")
