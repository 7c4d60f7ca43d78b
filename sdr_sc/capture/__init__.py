# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings in SigMF: write them while samples arrive, read them by place, check, cut and convert them.

Needs no GNU Radio. `sdr_sc.capture.check`, `sdr_sc.capture.edit` hold what works on files.
"""

from sdr_sc.capture.reader import Capture, open_capture
from sdr_sc.capture.sigmf.findings import Finding
from sdr_sc.capture.sigmf.info import CaptureInfo
from sdr_sc.capture.sigmf.metadata import FrameNote, Segment, SentFrame
from sdr_sc.capture.writer import CaptureWriter

__all__ = [
    "Capture",
    "CaptureInfo",
    "CaptureWriter",
    "Finding",
    "FrameNote",
    "Segment",
    "SentFrame",
    "open_capture",
]
