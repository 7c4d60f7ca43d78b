# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``sdr-sc`` command: one file per verb, each with a click command named ``command``."""
