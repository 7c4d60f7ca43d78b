# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nothing is received: a stretch of samples and a numerology in, the cause with its evidence out."""

from sdr_sc.diagnosis.cause import Cause, Diagnosis
from sdr_sc.diagnosis.search import LONGEST, diagnose
from sdr_sc.diagnosis.strongest import Strongest

__all__ = ["LONGEST", "Cause", "Diagnosis", "Strongest", "diagnose"]
