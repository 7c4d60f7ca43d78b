// SPDX-License-Identifier: GPL-3.0-or-later
// A device's sample clock, and the ratio of two of them.
#pragma once

#include <cmath>
#include <cstdint>

namespace simusrp {

/// Sample n of a clock is at n / hz seconds of the air; the oscillator's offset is in hz.
struct SampleClock {
    double rate_hz = 1e6;
    double ppm = 0.0;

    long double hz() const { return static_cast<long double>(rate_hz) * (1.0L + ppm * 1e-6L); }
    bool operator==(const SampleClock& o) const { return rate_hz == o.rate_hz && ppm == o.ppm; }

    /// First sample at or after a time; last sample at or before it.
    int64_t ceil_index(int64_t time_ps) const
    {
        return static_cast<int64_t>(std::ceil(static_cast<long double>(time_ps) * hz() / 1e12L - 1e-9L));
    }
    int64_t floor_index(int64_t time_ps) const
    {
        return static_cast<int64_t>(std::floor(static_cast<long double>(time_ps) * hz() / 1e12L));
    }
    int64_t time_ps(int64_t index) const
    {
        return static_cast<int64_t>(std::floor(static_cast<long double>(index) / hz() * 1e12L));
    }
    int64_t samples(double seconds) const { return static_cast<int64_t>(std::ceil(seconds * rate_hz)); }
};

/// Place of sample n of one clock among the samples of another: n * from/to, in 64.64 fixed point, so that it is exact
/// to 2^-64 n whatever n is, and never depends on where a stream began.
class ClockRatio {
public:
    ClockRatio(const SampleClock& ours, const SampleClock& theirs) : _is_one(ours == theirs)
    {
        const long double ratio = theirs.hz() / ours.hz();
        const long double whole = std::floor(ratio);
        _step = (static_cast<unsigned __int128>(static_cast<uint64_t>(whole)) << 64)
                + static_cast<uint64_t>(std::ldexp(ratio - whole, 64));
        _ratio = ratio;
    }
    bool is_one() const { return _is_one; }
    long double value() const { return _ratio; }

    /// Whole part and fraction (in 2^-64) of the place of our sample n.
    void place(int64_t n, int64_t& whole, uint64_t& fraction) const
    {
        const __int128 product = static_cast<__int128>(n) * static_cast<__int128>(_step);
        whole = static_cast<int64_t>(product >> 64);
        fraction = static_cast<uint64_t>(product);
    }

private:
    bool _is_one;
    unsigned __int128 _step;
    long double _ratio;
};

} // namespace simusrp
