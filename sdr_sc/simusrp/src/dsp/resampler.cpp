// SPDX-License-Identifier: GPL-3.0-or-later
#include "resampler.hpp"

#include "fast_math.hpp"
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

namespace simusrp {
namespace {

constexpr double TAPS_PER_BAND = 32.0;
constexpr double KAISER_BETA = 7.857; // 80 dB: 0.1102 (80 - 8.7)
constexpr double FINEST_PHASES = 4096.0; // rounding to the nearest is a jitter of -75 dB at the band's edge
constexpr double NARROWEST_BAND = 1.0 / 128.0;
constexpr double PI = 3.14159265358979323846;

double bessel_i0(double x)
{
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 60; ++k) {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
    }
    return sum;
}

/// Sum of taps (each twice) times interleaved I and Q, in eight lanes whose order never changes.
SIMUSRP_VECTOR
void dot(const float* taps, const float* samples, size_t values, float* result)
{
    float lanes[16] = {};
    for (size_t n = 0; n < values; n += 16)
        for (size_t lane = 0; lane < 16; ++lane)
            lanes[lane] += taps[n + lane] * samples[n + lane];
    for (size_t lane = 0; lane < 8; ++lane)
        lanes[lane] += lanes[lane + 8];
    result[0] = (lanes[0] + lanes[4]) + (lanes[2] + lanes[6]);
    result[1] = (lanes[1] + lanes[5]) + (lanes[3] + lanes[7]);
}

} // namespace

Interpolator::Interpolator(double band)
    : _taps(8 * static_cast<size_t>(std::ceil(TAPS_PER_BAND / band / 8.0))),
      _phases(static_cast<size_t>(std::ceil(std::max(64.0, FINEST_PHASES * band))))
{
    _table.resize((_phases + 1) * 2 * _taps);
    const double half = static_cast<double>(_taps) / 2.0;
    std::vector<double> row(_taps);
    for (size_t phase = 0; phase <= _phases; ++phase) {
        const double fraction = static_cast<double>(phase) / static_cast<double>(_phases);
        double sum = 0.0;
        for (size_t tap = 0; tap < _taps; ++tap) {
            // Tap 0 is sample k - half + 1 of a place k + fraction.
            const double x = static_cast<double>(tap) - half + 1.0 - fraction;
            const double inside = 1.0 - (x / half) * (x / half);
            const double window = inside > 0.0 ? bessel_i0(KAISER_BETA * std::sqrt(inside)) / bessel_i0(KAISER_BETA) : 0.0;
            const double angle = PI * band * x;
            row[tap] = window * (std::abs(angle) < 1e-9 ? 1.0 : std::sin(angle) / angle);
            sum += row[tap];
        }
        for (size_t tap = 0; tap < _taps; ++tap) {
            const float value = static_cast<float>(row[tap] / sum); // gain 1 in mid-band at every phase
            _table[(phase * _taps + tap) * 2] = value;
            _table[(phase * _taps + tap) * 2 + 1] = value;
        }
    }
}

void Interpolator::run(const ClockRatio& ratio, int64_t first, size_t count, const std::complex<float>* in,
    int64_t in_first, std::complex<float>* out) const
{
    const int64_t before = static_cast<int64_t>(_taps / 2) - 1;
    for (size_t n = 0; n < count; ++n) {
        int64_t whole;
        uint64_t fraction;
        ratio.place(first + static_cast<int64_t>(n), whole, fraction);
        const size_t phase =
            static_cast<size_t>((static_cast<unsigned __int128>(fraction) * _phases + (1ull << 63)) >> 64);
        const float* samples = reinterpret_cast<const float*>(in + (whole - before - in_first));
        dot(_table.data() + phase * 2 * _taps, samples, 2 * _taps, reinterpret_cast<float*>(out + n));
    }
}

std::shared_ptr<const Interpolator> Interpolator::get(double band)
{
    static std::mutex mutex;
    static std::map<int64_t, std::shared_ptr<const Interpolator>> made;
    if (band < NARROWEST_BAND)
        return nullptr;
    const int64_t key = std::llround(std::min(band, 1.0) * 1024.0); // tables for bands that hardly differ are shared
    const std::lock_guard<std::mutex> guard(mutex);
    auto& entry = made[key];
    if (!entry)
        entry = std::make_shared<const Interpolator>(static_cast<double>(key) / 1024.0);
    return entry;
}

} // namespace simusrp
