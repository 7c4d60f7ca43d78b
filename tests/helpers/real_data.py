# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of data sets as they are, where `make setup` has installed their packages."""

from __future__ import annotations

import pytest

from sdr_sc.data.packages.locate import ROOT, is_installed
from sdr_sc.data.packages.package import Package


def needs(*packages: Package) -> pytest.MarkDecorator:
    """Mark of a test that is left out where a package is not installed; in continuous integration that is a failure."""
    for package in packages:
        if not is_installed(package):
            there = any((ROOT / member.path).exists() for member in package.members)
            why = "is installed in another version" if there else "is not installed; run 'make setup'"
            return pytest.mark.skipif(True, reason=f"the data package {package.name} {why}")
    return pytest.mark.skipif(False, reason="")
