// SPDX-License-Identifier: GPL-3.0-or-later
// Gaussian noise as a pure function of (seed, channel, sample index).
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>

namespace simusrp {

/// Adds complex Gaussian noise to samples first .. first + count - 1 of a channel. However the range is cut, each sample
/// gets the same noise.
/// \param deviation standard deviation of I and of Q
void add_noise(uint64_t seed, uint32_t channel, int64_t first, size_t count, float deviation, std::complex<float>* out);

/// 64-bit seed from the user's seed and the device's name: two devices never hear the same noise.
uint64_t noise_seed(uint64_t seed, const char* name);

} // namespace simusrp
