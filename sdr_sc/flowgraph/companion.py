# SPDX-License-Identifier: GPL-3.0-or-later
"""What GRC's editor needs."""

from __future__ import annotations


def gtk_problem() -> str | None:
    """Why GRC's editor could not open a window although a display is there, in one sentence; None if it could."""
    try:
        import gi

        gi.require_version("Gtk", "3.0")
    except ImportError:
        return "the Python module 'gi' is missing: run 'sudo apt-get install python3-gi'."
    except ValueError:
        return "the GRC editor needs Gtk 3, which is not installed: run 'sudo apt-get install gir1.2-gtk-3.0'."
    return None
