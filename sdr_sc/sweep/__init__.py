# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps: schemes x channels x SNR x k x seeds, on the local cores or on a Dask cluster, kept in Parquet files."""
