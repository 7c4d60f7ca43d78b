# SPDX-License-Identifier: GPL-3.0-or-later
"""A base on disk: schema, entries and their checksums, versions, increments, signatures."""
