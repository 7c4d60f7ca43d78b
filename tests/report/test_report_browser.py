# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports in headless Chromium, at a laptop's and at a phone's width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from run_pages import add_knowledge, add_pictures, add_task, make_run
from sweep_studies import write

from sdr_sc.report.run.write import write_report
from sdr_sc.report.sweep.write import write_sweep_report

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not installed")

_PLOTS = """
[...document.querySelectorAll('.plot svg')].filter(svg => svg.getBoundingClientRect().width > 0).map(svg => {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
  return {width: box.width, height: box.height, paths: svg.querySelectorAll('path').length,
          cut: texts.filter(([, b]) => b.left < box.left - 2 || b.right > box.right + 2 || b.top < box.top - 2 ||
                                       b.bottom > box.bottom + 2).map(([name]) => name)};
})
"""
_OUTSIDE = """
[...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll, pre, svg') &&
  one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    with chromium.Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int]]:
    """By kind, a page and how many plots of it are seen at one width."""
    folder = tmp_path_factory.mktemp("pages")
    long = "a rather long name of a channel model, for a phone"
    results = write(folder / "x.parquet", channels={"awgn": "", long: "rayleigh(doppler_hz=5)"})
    sweep = write_sweep_report([results], folder / "x.html").page
    tasks = make_run(folder / "tasks", lost=(3,), images=20)
    add_task(tasks)
    add_pictures(tasks)
    known = make_run(folder / "known", lost=(3,), images=20)
    add_knowledge(known)
    return {
        "sweep": (sweep, 10),
        "run": (write_report(make_run(folder / "run", lost=(3,))), 4),
        "tasks": (write_report(tasks), 7),
        "known": (write_report(known), 5),
    }


@pytest.mark.parametrize("kind", ["sweep", "run", "tasks", "known"])
@pytest.mark.parametrize("width, dark", [(1280, False), (375, False), (375, True)], ids=["laptop", "phone", "dark"])
def test_page_in_a_browser(
    browser: chromium.Browser, pages: dict[str, tuple[Path, int]], kind: str, width: int, dark: bool
) -> None:
    page, count = pages[kind]
    browser.open(page, width, dark)
    assert browser.told == []
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, browser.evaluate(_OUTSIDE)
    plots = browser.evaluate(_PLOTS)
    assert len(plots) == count
    for plot in plots:
        assert plot["width"] > 300 and plot["height"] > 200 and plot["paths"] > 10 and plot["cut"] == []
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(16, 20, 24)" if dark else "rgb(246, 247, 248)")
