# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages of all reports share: templates, tiles, pictures."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from sdr_sc.report.colours import DARK, LIGHT
from sdr_sc.report.svg import Subject, both_widths
from sdr_sc.semantic.modalities.base import display_of
from sdr_sc.shown import reason_of

FULL_WIDTHS, HALF_WIDTHS = (1080, 350), (520, 350)
"""Of a plot's wide and narrow drawing, in CSS pixels, over the whole page and over half of it."""


def _template(name: str) -> str:
    return (resources.files("sdr_sc.report") / name).read_text(encoding="utf-8")


def render_page(template: str, **values: Any) -> str:
    """A page that needs no other file, no network and no script.

    Args:
        template: path of a template below this package; it includes ``style.css.j2``.
        values: for the template. Text is escaped; a value that it names and that is not given is an error.
    """
    environment = Environment(
        loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["units_stay"] = units_stay
    environment.globals.update(light=LIGHT, dark=DARK)
    return environment.get_template(template).render(**values)


def units_stay(text: str) -> str:
    """The text with its units on the lines of their numbers, and k with its value.

    >>> units_stay("95 % at 10 dB, k = 4")
    '95\\xa0% at 10\\xa0dB, k\\xa0=\\xa04'
    """
    text = re.sub(r"(\d) (%|dB|ms)", "\\1\u00a0\\2", text)
    return re.sub(r"\bk = (?=\d)", "k\u00a0=\u00a0", text)


def tile(label: str, value: str, unit: str, note: str) -> dict[str, str]:
    """A headline figure; the value '–' is none."""
    return {"label": label, "value": value, "unit": unit if value != "–" else "", "note": units_stay(note)}


def plot(
    draw: Callable[[Subject, int], Figure], subject: Subject, widths: tuple[int, int], label: str, name: str = ""
) -> dict[str, Markup]:
    """A plot's wide and narrow drawing, see `both_widths`. Names in them were escaped when the SVG was written."""
    wide, narrow = both_widths(draw, subject, widths, label, name)
    return {"wide": Markup(wide), "narrow": Markup(narrow)}


def item_shown(modality: str, item: np.ndarray, name: str) -> Markup:
    """An item as its modality shows it: a picture in the page, or text.

    Args:
        modality: its name; of one that is not known here the bytes are shown.
        item: uint8, of the modality's shape.
        name: of the picture, for those who cannot see it.
    """
    display = display_of(modality)
    try:
        picture = display.thumbnail(item)
        text = display.text(item) if picture is None else ""
    except Exception as error:  # a modality is anybody's class, and the item may come from another host
        picture, text = None, f"cannot be shown ({reason_of(error)})"
    if picture is None:
        return Markup('<span class="item">{}</span>').format(text)
    return Markup('<img src="{}" width="28" height="28" alt="{}">').format(data_uri(picture), name)


def data_uri(image: np.ndarray) -> str:
    """An image as a PNG that stands in the page.

    Args:
        image: uint8 (height, width), or (3, height, width) of red, green and blue; 0 is black.
    """
    stream = io.BytesIO()
    pixels = image if image.ndim == 2 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
