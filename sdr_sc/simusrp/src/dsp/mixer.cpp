// SPDX-License-Identifier: GPL-3.0-or-later
#include "mixer.hpp"

#include "fast_math.hpp"
#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr size_t BATCH = 256;

/// `phase`: of sample 0 in 2^-64 turns.
SIMUSRP_VECTOR
void turn(uint64_t phase, uint64_t step, size_t count, float* samples)
{
    alignas(64) uint32_t phases[BATCH];
    alignas(64) float cosines[BATCH], sines[BATCH];
    for (size_t n = 0; n < count; ++n)
        phases[n] = static_cast<uint32_t>((phase + step * n) >> 32);
    for (size_t n = 0; n < count; ++n)
        cos_sin(phases[n], cosines[n], sines[n]);
    for (size_t n = 0; n < count; ++n) {
        const float i = samples[2 * n], q = samples[2 * n + 1];
        samples[2 * n] = i * cosines[n] - q * sines[n];
        samples[2 * n + 1] = i * sines[n] + q * cosines[n];
    }
}

} // namespace

uint64_t turns_per_sample(long double freq_hz, long double rate_hz)
{
    const long double turns = freq_hz / rate_hz;
    const long double fraction = turns - std::floor(turns);
    const long double scaled = std::ldexp(fraction, 64);
    return scaled >= 18446744073709551615.0L ? 0 : static_cast<uint64_t>(scaled);
}

void mix(uint64_t step, int64_t first, size_t count, std::complex<float>* samples)
{
    float* values = reinterpret_cast<float*>(samples);
    for (size_t done = 0; done < count; done += BATCH) {
        const uint64_t phase = step * static_cast<uint64_t>(first + static_cast<int64_t>(done));
        turn(phase, step, std::min(BATCH, count - done), values + 2 * done);
    }
}

} // namespace simusrp
