// SPDX-License-Identifier: GPL-3.0-or-later
// Frequency shifts.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>

namespace simusrp {

/// Turns per sample in 2^-64; 64 bits keep the phase exact over the air's whole life.
uint64_t turns_per_sample(long double freq_hz, long double rate_hz);

/// Multiplies sample `first + i` with exp(j 2 pi step (first + i)): the phase depends on the sample's index alone.
void mix(uint64_t step, int64_t first, size_t count, std::complex<float>* samples);

} // namespace simusrp
