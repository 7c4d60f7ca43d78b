// SPDX-License-Identifier: GPL-3.0-or-later
// The device arguments.
#pragma once

#include "air_layout.hpp"
#include <uhd/types/device_addr.hpp>
#include <string>

namespace simusrp {

struct DeviceArgs {
    std::string name = "sim0";
    std::string air = "default";
    Pace pace = PACE_RT;
    size_t channels = 1;
    double ppm = 0.0;
    double cfo_hz = 0.0;
    double path_loss_db;
    double noise_figure_db;
    double cross_loss_db = -1.0; // between channels of different number; below 0: they do not hear each other
    std::string taps_file;
    uint64_t seed = 0;
    bool hears_itself = true;
    double master_clock_rate_hz = 0.0; // 0: chosen by the sample rate
    double tx_latency_s = 10e-3;
    double rx_latency_s = 1e-3;
    double tx_buffer_s = 50e-3;
    double rx_buffer_s = 100e-3;
    double step_idle_s = 50e-3;
    size_t step_peers = 1;
    bool step_hold = true;

    /// Reads and checks all keys.
    /// \throws uhd::value_error, uhd::key_error: one sentence that names the key.
    static DeviceArgs parse(const uhd::device_addr_t& addr);
};

/// Names that a hint asks for: none if it is not for this kind of device.
std::vector<std::string> names_in_hint(const uhd::device_addr_t& hint);

} // namespace simusrp
