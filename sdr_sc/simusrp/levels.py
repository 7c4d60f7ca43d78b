# SPDX-License-Identifier: GPL-3.0-or-later
"""Power levels of the simulated USRP (those of ``src/levels.hpp``), and the SNR that follows from them."""

from __future__ import annotations

import math

TX_MAX_GAIN_DB = 90.0
TX_FULL_SCALE_AT_MAX_GAIN_DBM = 10.0
TX_INITIAL_GAIN_DB = 60.0
RX_FULL_SCALE_AT_NO_GAIN_DBM = 0.0
RX_INITIAL_GAIN_DB = 40.0
PATH_LOSS_DB = 30.0
NOISE_FIGURE_DB = 6.0
THERMAL_NOISE_DBM_HZ = -173.975
ADC_BITS = 12


def tx_power_dbm(rms_dbfs: float, tx_gain_db: float = TX_INITIAL_GAIN_DB) -> float:
    """Power that a transmitter sends.

    Args:
        rms_dbfs: mean power of its samples in dB; 0 is that of samples of magnitude 1.
        tx_gain_db: 0 to 90.

    >>> tx_power_dbm(-12.0, 90.0)
    -2.0
    """
    return rms_dbfs + TX_FULL_SCALE_AT_MAX_GAIN_DBM - (TX_MAX_GAIN_DB - tx_gain_db)


def rx_full_scale_dbm(rx_gain_db: float = RX_INITIAL_GAIN_DB) -> float:
    """Power that a received sample of magnitude 1 stands for.

    >>> rx_full_scale_dbm(40.0)
    -40.0
    """
    return RX_FULL_SCALE_AT_NO_GAIN_DBM - rx_gain_db


def noise_dbm(
    sample_rate_hz: float, rx_gain_db: float = RX_INITIAL_GAIN_DB, noise_figure_db: float = NOISE_FIGURE_DB
) -> float:
    """Noise power in the whole band of the sample rate: thermal noise with the noise figure, and the ADC's rounding.

    >>> round(noise_dbm(1e6), 1)
    -107.0
    """
    thermal = THERMAL_NOISE_DBM_HZ + 10 * math.log10(sample_rate_hz) + noise_figure_db
    # An error that is even within a step of I and of Q: twice step^2 / 12, relative to samples of magnitude 1.
    step = 2.0 ** (1 - ADC_BITS)
    rounding = 10 * math.log10(step**2 / 6) + rx_full_scale_dbm(rx_gain_db)
    return 10 * math.log10(10 ** (thermal / 10) + 10 ** (rounding / 10))


def expected_rx_dbfs(
    rms_dbfs: float,
    tx_gain_db: float = TX_INITIAL_GAIN_DB,
    rx_gain_db: float = RX_INITIAL_GAIN_DB,
    path_loss_db: float = PATH_LOSS_DB,
) -> float:
    """Mean power of the received signal's samples in dB, without noise; it clips where that comes near 0.

    >>> expected_rx_dbfs(-12.0)
    -22.0
    """
    return tx_power_dbm(rms_dbfs, tx_gain_db) - path_loss_db - rx_full_scale_dbm(rx_gain_db)


def expected_snr_db(
    rms_dbfs: float,
    sample_rate_hz: float,
    tx_gain_db: float = TX_INITIAL_GAIN_DB,
    rx_gain_db: float = RX_INITIAL_GAIN_DB,
    path_loss_db: float = PATH_LOSS_DB,
    noise_figure_db: float = NOISE_FIGURE_DB,
    occupied: float = 1.0,
) -> float:
    """SNR of a received signal that neither clips nor meets multipath.

    Args:
        rms_dbfs: mean power of the transmitter's samples in dB.
        sample_rate_hz: of the receiver.
        tx_gain_db: of the transmitter, 0 to 90.
        rx_gain_db: of the receiver, 0 to 76.
        path_loss_db: device argument of the receiver.
        noise_figure_db: device argument of the receiver.
        occupied: part of the band whose noise is counted; 52/64 for Es/N0 of our default frame.

    >>> round(expected_snr_db(-12.0, 1e6, path_loss_db=70.0), 1)
    5.0
    """
    signal = tx_power_dbm(rms_dbfs, tx_gain_db) - path_loss_db
    return signal - noise_dbm(sample_rate_hz, rx_gain_db, noise_figure_db) - 10 * math.log10(occupied)


def path_loss_for_snr(
    snr_db: float,
    rms_dbfs: float,
    sample_rate_hz: float,
    occupied: float = 1.0,
) -> float:
    """Path loss in dB that gives an SNR at the gains that devices start with; parameters as `expected_snr_db`.

    >>> round(path_loss_for_snr(5.0, -12.0, 1e6), 1)
    70.0
    """
    return -snr_db + expected_snr_db(rms_dbfs, sample_rate_hz, path_loss_db=0.0, occupied=occupied)
