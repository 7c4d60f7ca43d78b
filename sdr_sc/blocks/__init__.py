# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio blocks: each converts between streams, tags or PDUs and numpy, and calls `sdr_sc.phy` or
`sdr_sc.semantic` for the mathematics. Importing one imports no torch."""
