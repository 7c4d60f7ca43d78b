// SPDX-License-Identifier: GPL-3.0-or-later
// Multipath: an FIR filter whose taps may change over time, from a file that sdr_sc.simusrp.taps.write_taps writes.
#pragma once

#include <complex>
#include <cstdint>
#include <string>
#include <vector>

namespace simusrp {

class MultipathTaps {
public:
    MultipathTaps() = default;
    /// \throws uhd::value_error: one sentence that names the file and what is wrong
    explicit MultipathTaps(const std::string& file);

    bool is_empty() const { return _lags == 0; }
    double rate_hz() const { return _rate_hz; }
    /// Samples of the past that a sample depends on.
    int64_t history() const { return _lags ? static_cast<int64_t>(_lags) - 1 : 0; }

    /// Filters. The taps that a sample sees depend on its index alone.
    /// \param in sample first - history() and following
    void run(int64_t first, size_t count, const std::complex<float>* in, std::complex<float>* out) const;

private:
    std::vector<std::complex<float>> _taps; // snapshots x lags
    size_t _lags = 0, _snapshots = 0;
    int64_t _interval = 0; // samples between snapshots
    double _rate_hz = 0.0;
};

} // namespace simusrp
