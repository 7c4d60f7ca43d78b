# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter: header and features to the samples of a frame."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import fft

from sdr_sc.phy.frame import header as header_format
from sdr_sc.phy.frame import header_symbols
from sdr_sc.phy.frame.header import MAX_FEATURE_SYMBOLS, Header
from sdr_sc.phy.frame.importance import fits, importance_mapping, report_check
from sdr_sc.phy.frame.interleave import FeatureMapping, feature_mapping
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.frame.preamble import preamble
from sdr_sc.phy.frame.sequences import pn_signs
from sdr_sc.phy.numerology import Numerology

_PILOT_SEED = 0x1A6D
_FILLER_SEED = 0x5E31
_NONE = np.empty(0, np.complex64)


@lru_cache(maxsize=256)
def pilot_values(symbols: int, numerology: Numerology) -> np.ndarray:
    """float32 (symbols, pilot_subcarriers) of +1 and -1: pilots of header and payload symbols, in that order."""
    signs = pn_signs(symbols * numerology.pilot_subcarriers, _PILOT_SEED)
    return signs.reshape(symbols, numerology.pilot_subcarriers)


def filler_values(count: int) -> np.ndarray:
    """float32 (count,) of +1 and -1: what the last payload symbol carries after the features."""
    return pn_signs(count, _FILLER_SEED) if count else np.empty(0, np.float32)


class SymbolTables(NamedTuple):
    """What every OFDM symbol of a frame has in common.

    Attributes:
        data_bins, pilot_bins: int64 (data,) and (pilots,), FFT bins.
        pilots: float32 (symbols or more, pilots), their values in header and payload symbols.
    """

    data_bins: np.ndarray
    pilot_bins: np.ndarray
    pilots: np.ndarray


class FrameBuilder:
    """Builds frames of one numerology; makes its tables once."""

    def __init__(self, numerology: Numerology) -> None:
        n = self.numerology = numerology
        longest = frame_layout(n, FrameMode.ROBUST).header_symbols + n.payload_symbols(MAX_FEATURE_SYMBOLS)
        self._tables = SymbolTables(n.bins[n.data_index], n.bins[n.pilot_index], pilot_values(longest, n))[:]
        self._preambles = {mode: preamble(n, mode) for mode in FrameMode}
        # Looked up by number: to hash a numerology takes longer than the rest of a header.
        self._layouts = {int(mode): frame_layout(n, mode) for mode in FrameMode}

    def build(
        self,
        features: np.ndarray,
        header: Header,
        amplitude: float = 1.0,
        gap_samples: int = 0,
        refinement: np.ndarray = _NONE,
        report: np.ndarray | None = None,
    ) -> np.ndarray:
        """The samples of one frame.

        Args:
            features: complex64, of the header's shape, of the new items, mean power 1 over each.
            header: has to agree with the features' shape.
            amplitude: factor on all samples.
            gap_samples: silence after the frame.
            refinement: complex64 (more_symbols,), mean power 1: more features of items that were sent before, or all
                of the payload of a frame with indices.
            report: uint8 (used / 2,), the channel report that a header with ``report_age`` names.

        Returns:
            complex64 (frame_samples + gap_samples,), the frame's mean power ``amplitude**2`` times
            `Numerology.mean_sample_power`.

        Raises:
            ValueError: a shape or the report does not agree with the header, or a feature is not finite.
        """
        if features.shape != header.shape:
            raise ValueError(f"features have shape {features.shape}, the header says {header.shape}")
        if refinement.shape != (header.more_symbols,):
            raise ValueError(f"refinement has shape {refinement.shape}, the header says {(header.more_symbols,)}")
        n, flat = self.numerology, np.ascontiguousarray(features, np.complex64).ravel()
        if len(refinement):
            flat = np.concatenate((flat, refinement.astype(np.complex64)))
        if not _is_finite(flat):
            raise ValueError("features hold a value that is not finite")
        count, symbols, layout = len(flat), n.payload_symbols(len(flat)), self._layouts[header.mode]
        filler = filler_values(symbols * n.data_subcarriers - count)
        if header.report_age or report is not None:
            mapping = self._mapping_by(report, header)
            # The filler goes where it hurts least: as further features, with the sign that takes scrambling out.
            flat = np.concatenate((flat, filler * mapping.signs[mapping.places[count:]]))
            filler = filler_values(0)
        else:
            mapping = feature_mapping(count, header.power_scale_db)
        bins = fill(
            np.zeros((layout.header_symbols + symbols, n.fft_size), np.complex64),
            header_symbols.encode_bits(header_format.pack(header), layout),
            flat,
            filler,
            mapping[:],
            self._tables,
        )
        first = layout.preamble_samples
        out = np.zeros(layout.frame_samples(count) + gap_samples, np.complex64)
        np.multiply(self._preambles[header.mode], np.float32(amplitude), out=out[:first])
        useful = fft.ifft(bins, norm="ortho", overwrite_x=True)
        _extend(useful, n.cyclic_prefix, amplitude, out[first:])
        return out

    def _mapping_by(self, report: np.ndarray | None, header: Header) -> FeatureMapping:
        """Of a frame whose features are mapped by importance."""
        n = self.numerology
        if report is None or not header.report_age or not fits(report, n):
            raise ValueError("a channel report and a header with report_age belong together, for the same numerology")
        if header.report_check != report_check(header.report_frame, report):
            raise ValueError(f"the channel report is not the one of frame {header.report_frame} that the header names")
        return importance_mapping(report, n, header.n_items, header.k, header.power_scale_db)


@lru_cache(maxsize=8)
def _builder(numerology: Numerology) -> FrameBuilder:
    return FrameBuilder(numerology)


def build_frame(
    features: np.ndarray,
    header: Header,
    numerology: Numerology,
    refinement: np.ndarray = _NONE,
    report: np.ndarray | None = None,
) -> np.ndarray:
    """The samples of one frame; see `FrameBuilder.build`."""
    return _builder(numerology).build(features, header, refinement=refinement, report=report)


@njit(cache=True, nogil=True)
def fill(
    bins: np.ndarray,
    header: np.ndarray,
    features: np.ndarray,
    filler: np.ndarray,
    mapping: tuple,
    tables: tuple,
) -> np.ndarray:
    """Put header, features, filler and pilots on their FFT bins.

    Args:
        bins: complex64 (symbols, fft_size), written: header and payload symbols.
        header: complex64 (header_symbols, data), see `header_symbols.encode_bits`.
        features: complex64 (count,).
        filler: float32, values for the places that the features leave in the last symbol.
        mapping, tables: fields of `FeatureMapping` and `SymbolTables`; as plain tuples, see
            `sdr_sc.phy.receive.bundles`.

    Returns:
        ``bins``.
    """
    mapping, tables = FeatureMapping(*mapping), SymbolTables(*tables)
    first, data = header.shape
    data_bins, pilot_bins, pilots = tables.data_bins, tables.pilot_bins, tables.pilots
    places, signs, factor = mapping.places, mapping.signs, np.float32(mapping.scale)
    for s in range(len(bins)):
        for p in range(len(pilot_bins)):
            bins[s, pilot_bins[p]] = pilots[s, p]
    for s in range(first):
        for d in range(data):
            bins[s, data_bins[d]] = header[s, d]
    for i in range(len(features)):
        place = places[i]
        bins[first + place // data, data_bins[place % data]] = features[i] * (factor * signs[place])
    for i in range(len(filler)):
        place = len(features) + i
        bins[first + place // data, data_bins[place % data]] = factor * filler[i]
    return bins


@njit(cache=True, nogil=True)
def _is_finite(values: np.ndarray) -> bool:
    for value in values:
        if not (abs(value.real) < np.inf and abs(value.imag) < np.inf):
            return False
    return True


@njit(cache=True, nogil=True)
def _extend(useful: np.ndarray, prefix: int, amplitude: float, out: np.ndarray) -> None:
    """Symbols with their cyclic prefixes, side by side."""
    symbols, size = useful.shape
    factor, place = np.float32(amplitude), 0
    for s in range(symbols):
        for m in range(size - prefix, size):
            out[place] = useful[s, m] * factor
            place += 1
        for m in range(size):
            out[place] = useful[s, m] * factor
            place += 1
