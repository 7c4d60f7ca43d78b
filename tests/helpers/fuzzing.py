# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the fuzz targets look."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("SDR_SC_FUZZ_EXAMPLES", "300"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None, derandomize="SDR_SC_FUZZ_EXAMPLES" not in os.environ,
                suppress_health_check=list(HealthCheck))  # fmt: skip
