# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio blocks: each converts between streams, tags or PDUs and numpy, and calls `sdr_sc.phy` or
`sdr_sc.semantic` for the mathematics. Importing one imports no torch."""

from __future__ import annotations


def check_built(top_block: object) -> None:
    """End a generated program that was compiled without our block descriptions.

    GRC leaves out blocks that it does not know and reports success, so that the program would run, do nothing and end
    with status 0. The flowgraphs' snippet ``block_check`` calls this.

    Raises:
        SystemExit: the top block holds none of our blocks; one sentence.
    """
    if not any(type(part).__module__.startswith("sdr_sc.") for part in vars(top_block).values()):
        raise SystemExit(
            f"sdr-sc: error: {type(top_block).__name__} was compiled without the blocks of sdr_sc, and would do "
            "nothing; compile it with 'sdr-sc compile', or run the .grc file with 'sdr-sc run'."
        )
