// SPDX-License-Identifier: GPL-3.0-or-later
// Band-limited interpolation at any place between samples.
#pragma once

#include "sample_clock.hpp"
#include <complex>
#include <memory>
#include <vector>

namespace simusrp {

/// A sinc in a Kaiser window of 80 dB, tabulated at fine fractions of a sample. It passes 84 % of the given band to
/// within 0.1 %, and lets less than -70 dB through from beyond 116 % of it.
class Interpolator {
public:
    /// \param band width of the pass band over the sample rate, at most 1
    explicit Interpolator(double band);

    /// Samples needed before and after the place.
    int64_t reach() const { return static_cast<int64_t>(_taps / 2); }

    /// Value at `place` + fraction 2^-64 of each output sample first .. first + count - 1, with places by `ratio`.
    /// \param in sample number `in_first` and following; enough of them for the reach
    void run(const ClockRatio& ratio, int64_t first, size_t count, const std::complex<float>* in, int64_t in_first,
        std::complex<float>* out) const;

    /// Tables are made once and shared. \return nullptr if the band is too narrow for a filter of sane length
    static std::shared_ptr<const Interpolator> get(double band);

private:
    size_t _taps, _phases;
    std::vector<float> _table; // a row a phase; each tap twice, for I and Q
};

} // namespace simusrp
