# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frame mode pays at which SNR: how many frames of each arrive, and what one that arrives costs on the air."""

from __future__ import annotations

import math
from collections.abc import Callable

from sdr_sc.errors import BlockError
from sdr_sc.phy.frame.modes import FrameMode, frame_layout
from sdr_sc.phy.numerology import Numerology

# SNR at which half of the frames are received, dB, and steepness of the logistic curve there, per dB. Measured over
# AWGN with 500 frames at each whole dB, default numerology, carrier offsets anywhere within +-2 subcarriers.
_CURVES = {FrameMode.SHORT: (-0.7, 2.05), FrameMode.NORMAL: (-4.3, 1.95), FrameMode.ROBUST: (-9.2, 1.9)}
_SPREAD_DB = 1.5  # of a frame's SNR around what was fed back: the estimate's own 0.4 dB, and what changes meanwhile
LEAST_RECEIVED = 0.95
"""Share of frames that a mode has to bring through: items of lost frames are not sent again."""
HYSTERESIS_DB = 1.0
"""How far above the place where the choice changes the SNR has to be for a shorter mode, dB, unless set."""
_LOGISTIC_STD = math.pi / math.sqrt(3.0)


def fixed_mode(part: str, name: str) -> FrameMode | None:
    """The frame mode that a parameter names, None for ``auto``.

    Args:
        part: whose parameter, for the error.

    Raises:
        BlockError: no such mode.

    >>> fixed_mode("encoder", "short"), fixed_mode("encoder", "auto")
    (<FrameMode.SHORT: 0>, None)
    """
    names = {mode.name.lower(): mode for mode in FrameMode}
    if name != "auto" and name not in names:
        raise BlockError(f"{part}: mode is {name!r}; use auto, {', '.join(names)}.")
    return names.get(name)


def received_share(mode: FrameMode, snr_db: float) -> float:
    """Share of frames of a mode that are received where the SNR was ``snr_db`` a frame ago.

    >>> [round(received_share(mode, 0.0), 3) for mode in FrameMode]
    [0.656, 0.993, 1.0]
    """
    half_db, steepness = _CURVES[mode]
    std_db = math.hypot(_LOGISTIC_STD / steepness, _SPREAD_DB)
    return 0.5 * math.erfc((half_db - snr_db) / std_db / math.sqrt(2.0))


def expected_symbols(mode: FrameMode, snr_db: float, feature_symbols: int, numerology: Numerology) -> float:
    """OFDM symbols on the air for each frame that is received."""
    symbols = frame_layout(numerology, mode).frame_symbols(feature_symbols)
    return symbols / max(received_share(mode, snr_db), 1e-9)


class ModeChoice:
    """Chooses the frame mode, frame by frame.

    Of the modes that bring `LEAST_RECEIVED` of the frames through, it takes the one with the fewest symbols on the air
    for each frame received: a more robust one at once, a shorter one only when the SNR is ``hysteresis_db`` above the
    place where the choice changes. Without an SNR it is the robust one.

    Args:
        hysteresis_db: dB.
        numerology: whose frames are sent.

    >>> choice = ModeChoice(1.0, Numerology())
    >>> [choice.choose(snr_db, lambda _: 100).name for snr_db in (None, 3.0, 4.0, 3.0, 2.0, -2.0)]
    ['ROBUST', 'NORMAL', 'SHORT', 'SHORT', 'NORMAL', 'ROBUST']
    """

    def __init__(self, hysteresis_db: float, numerology: Numerology) -> None:
        self._hysteresis_db, self._numerology = hysteresis_db, numerology
        self._mode = FrameMode.ROBUST

    def choose(self, snr_db: float | None, feature_symbols: Callable[[float], int]) -> FrameMode:
        """The mode of the next frame.

        Args:
            snr_db: that was fed back; None when nothing is known of the channel.
            feature_symbols: of the frame, by the SNR.
        """
        wanted = FrameMode.ROBUST if snr_db is None else self._cheapest(snr_db, feature_symbols)
        if snr_db is not None and wanted < self._mode:
            wanted = min(self._mode, self._cheapest(snr_db - self._hysteresis_db, feature_symbols))
        self._mode = wanted
        return wanted

    def _cheapest(self, snr_db: float, feature_symbols: Callable[[float], int]) -> FrameMode:
        count = feature_symbols(snr_db)
        enough = [m for m in FrameMode if m is FrameMode.ROBUST or received_share(m, snr_db) >= LEAST_RECEIVED]
        return min(enough, key=lambda mode: expected_symbols(mode, snr_db, count, self._numerology))
