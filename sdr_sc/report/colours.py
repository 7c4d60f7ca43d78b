# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of reports by role: of pages in light and dark, and of pictures that stand alone."""

from __future__ import annotations

from collections.abc import Mapping

Colours = Mapping[str, str]
"""Role -> colour, as matplotlib and CSS take it."""

SERIES = tuple(f"series{number}" for number in range(8))
"""Roles of curves. Hues after Okabe and Ito (Color Universal Design, 2008), which colour-blind readers tell apart; made
darker where they would be faint on white."""

LIGHT: dict[str, str] = {
    "page": "#f6f7f8", "card": "#ffffff", "ink": "#1b2126", "muted": "#59636d", "rule": "#dde2e6",
    "set": "#39424a", "estimate": "#0072b2", "lost": "#c44e00", "k": "#009e73", "accuracy": "#0072b2",
    "cell": "#0072b2", "good": "#00694c", "bad": "#b04600",
    **dict(zip(SERIES, ("#0072b2", "#d55e00", "#008a64", "#b3478f", "#a87400", "#2b2f77", "#6b7680", "#7f3f1f"),
               strict=True)),
}  # fmt: skip
DARK: dict[str, str] = {
    "page": "#101418", "card": "#181d22", "ink": "#e7ebee", "muted": "#9ca8b2", "rule": "#313941",
    "set": "#c3ccd3", "estimate": "#56b4e9", "lost": "#f0803c", "k": "#2cc495", "accuracy": "#56b4e9",
    "cell": "#1b7fc0", "good": "#3ecf9f", "bad": "#ff9a57",
    **dict(zip(SERIES, ("#56b4e9", "#f0803c", "#2cc495", "#e08cc4", "#e6b84a", "#a9a6ff", "#a7b1ba", "#d0a080"),
               strict=True)),
}  # fmt: skip

ROLES = tuple(LIGHT)
STAND_INS: dict[str, str] = {role: f"#0100{number:02d}" for number, role in enumerate(ROLES)}
"""For drawings that go into a page: each stands for the page's CSS variable of that role, so that one drawing serves
light and dark."""
