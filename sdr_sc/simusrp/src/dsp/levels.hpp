// SPDX-License-Identifier: GPL-3.0-or-later
// Power levels of the simulated front end. sdr_sc/simusrp/levels.py mirrors these numbers; a test compares them.
#pragma once

#include <cmath>

namespace simusrp {

constexpr double TX_MAX_GAIN_DB = 90.0;
constexpr double TX_GAIN_STEP_DB = 0.25;
constexpr double TX_FULL_SCALE_AT_MAX_GAIN_DBM = 10.0; // a sample of magnitude 1 at the largest gain, as a B210 about
constexpr double TX_INITIAL_GAIN_DB = 60.0;

constexpr double RX_MAX_GAIN_DB = 76.0;
constexpr double RX_GAIN_STEP_DB = 1.0;
constexpr double RX_FULL_SCALE_AT_NO_GAIN_DBM = 0.0; // what a sample of magnitude 1 stands for at gain 0
constexpr double RX_INITIAL_GAIN_DB = 40.0;

constexpr double PATH_LOSS_DB = 30.0; // a cable with a 30 dB attenuator
constexpr double NOISE_FIGURE_DB = 6.0;
constexpr double THERMAL_NOISE_DBM_HZ = -173.975; // kT at 290 K
constexpr int ADC_BITS = 12;

inline double tx_full_scale_dbm(double gain_db)
{
    return TX_FULL_SCALE_AT_MAX_GAIN_DBM - (TX_MAX_GAIN_DB - gain_db);
}

inline double rx_full_scale_dbm(double gain_db)
{
    return RX_FULL_SCALE_AT_NO_GAIN_DBM - gain_db;
}

inline double thermal_noise_dbm(double bandwidth_hz, double noise_figure_db)
{
    return THERMAL_NOISE_DBM_HZ + 10.0 * std::log10(bandwidth_hz) + noise_figure_db;
}

inline double amplitude(double db)
{
    return std::pow(10.0, db / 20.0);
}

} // namespace simusrp
