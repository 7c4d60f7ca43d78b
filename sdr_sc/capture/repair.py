# SPDX-License-Identifier: GPL-3.0-or-later
"""Completes the pair of a recording that was killed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from sdr_sc.capture.journal import Journal
from sdr_sc.capture.locate import pair_paths
from sdr_sc.capture.metafile import tidy_segments, write_metadata
from sdr_sc.capture.reader import Capture
from sdr_sc.capture.sigmf.info import RECORDER
from sdr_sc.errors import CaptureError
from sdr_sc.files import remove_litter


def repair(path: str | Path) -> list[str]:
    """Merge a journal that was left into the metadata, cut the data to whole samples, and add the checksum.

    A journal without metadata and data is removed, and so is what programs that were killed left of the metadata.

    Args:
        path: any name of the pair.

    Returns:
        What was done, in words; empty if there was nothing to do. Other faults are not touched: what changed data was
        cannot be known.

    Raises:
        CaptureError: the recording still goes on, or cannot be read or written.
    """
    done: list[str] = []
    meta, data, journal_path = pair_paths(path)
    for litter in remove_litter(meta):
        done.append(f"removed {litter.name}, which a killed program left")
    if not journal_path.is_file():
        return done
    journal = Journal(journal_path, new=False)
    try:
        if not meta.exists() and not data.exists():
            journal.close(remove=True)
            return [*done, f"removed {journal_path.name}, of a recording that was killed before its first sample"]
        with Capture(meta) as capture:
            if capture.complete:
                journal.close(remove=True)
                return [*done, f"removed {journal_path.name}, whose content is in the metadata"]
            if capture.has_other_bytes:
                raise CaptureError(
                    f"{data} has header or trailing bytes among its samples, and was not recorded here; "
                    f"remove {journal_path.name}, which does not belong to it."
                )
            done += _finish(capture, meta, data, journal)
        journal.close(remove=True)
    except OSError as error:
        raise CaptureError(f"{meta} cannot be completed ({error.strerror or error}); make room, and repeat.") from error
    finally:
        journal.close(remove=False)
    return done


def _finish(capture: Capture, meta: Path, data: Path, journal: Journal) -> list[str]:
    count, done = capture.sample_count, []
    if journal.tally.changed:
        done.append(journal.tally.left_out(journal.path.name))
    whole = len(capture.raw(0, 1)) * count if count else 0
    rest = data.stat().st_size - whole
    if rest:
        os.truncate(data, whole)
        done.append(f"cut {rest} bytes at the end of {data.name}, which were no whole sample")
    with Capture(meta) as cut:
        sha512 = cut.data_sha512() if count else None
    history = [*capture.info.history, {"action": "repair", "by": RECORDER}]
    info = replace(capture.info, sha512=sha512, sample_count=count, history=history)
    segments = tidy_segments(journal.segments, count, info.sample_rate_hz)
    write_metadata(meta, info, segments, journal.bodies("annotation", count), journal.bodies("not_received", count))
    if not count:
        data.unlink(missing_ok=True)
    return [*done, f"completed {meta.name}: {count} samples, {len(segments)} segments, checksum"]
