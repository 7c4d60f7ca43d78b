// SPDX-License-Identifier: GPL-3.0-or-later
// Elementary functions without branches or tables, so that the compiler makes vectors of them. They do not call libm:
// what is received is then the same to the bit whatever the machine's libm. No fused multiply-add (-ffp-contract=off).
#pragma once

#include <cstdint>
#include <cstring>

// One module serves all x86-64 machines: the loader picks the clone that the processor can run. Clones give equal bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SIMUSRP_VECTOR __attribute__((target_clones("avx2", "default")))
#else
#define SIMUSRP_VECTOR
#endif

namespace simusrp {

inline float float_of_bits(uint32_t bits)
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline uint32_t bits_of_float(float value)
{
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

/// Cosine and sine of phase / 2^32 turns; error below 1e-6.
inline void cos_sin(uint32_t phase, float& cosine, float& sine)
{
    const uint32_t quadrant = (phase + 0x20000000u) >> 30;
    const float x = static_cast<float>(static_cast<int32_t>(phase - (quadrant << 30))) * 1.46291807926715968e-9f;
    const float x2 = x * x;
    const float s = x * (1.0f + x2 * (-1.6666654611e-1f + x2 * (8.3321608736e-3f + x2 * -1.9515295891e-4f)));
    const float c =
        1.0f - 0.5f * x2 + x2 * x2 * (4.166664568298827e-2f + x2 * (-1.388731625493765e-3f + x2 * 2.443315711809948e-5f));
    const bool odd = (quadrant & 1u) != 0;
    const uint32_t cos_sign = ((quadrant + 1u) & 2u) << 30;
    const uint32_t sin_sign = (quadrant & 2u) << 30;
    cosine = float_of_bits(bits_of_float(odd ? s : c) ^ cos_sign);
    sine = float_of_bits(bits_of_float(odd ? c : s) ^ sin_sign);
}

/// Natural logarithm of a positive normal number; relative error below 1e-6 (Cephes' logf).
inline float natural_log(float value)
{
    const uint32_t bits = bits_of_float(value);
    // A mantissa in sqrt(1/2) .. sqrt(2) keeps the polynomial short.
    const uint32_t shifted = bits - 0x3f3504f3u;
    const int32_t exponent = static_cast<int32_t>(shifted) >> 23;
    const float m = float_of_bits((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float e = static_cast<float>(exponent);
    const float m2 = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    return m + (m * m2 * p + e * -2.12194440e-4f - 0.5f * m2) + e * 0.693359375f;
}

/// Nearest whole number of |value| < 2^22; to even, by adding 1.5 * 2^23.
inline int32_t nearest_int(float value)
{
    return static_cast<int32_t>(bits_of_float(value + 12582912.0f)) - 0x4b400000;
}

/// Into -1..1; what is not a number becomes 0.
inline float clip_unit(float value)
{
    value = value == value ? value : 0.0f;
    value = value < 1.0f ? value : 1.0f;
    return value > -1.0f ? value : -1.0f;
}

} // namespace simusrp
