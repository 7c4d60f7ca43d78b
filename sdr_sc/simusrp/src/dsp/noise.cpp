// SPDX-License-Identifier: GPL-3.0-or-later
#include "noise.hpp"

#include "fast_math.hpp"
#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr size_t BATCH_BLOCKS = 128;

uint32_t rotate_left(uint32_t value, int bits)
{
    return (value << bits) | (value >> (32 - bits));
}

/// Threefry4x32 with 12 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): counter-based,
/// passes BigCrush, and needs nothing but 32-bit additions, rotations and xor, which every vector unit has.
inline void threefry(uint32_t x[4], const uint32_t key[5])
{
    constexpr int ROTATIONS[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5}, {6, 20}, {17, 11}, {25, 10}, {18, 20}};
    for (int i = 0; i < 4; ++i)
        x[i] += key[i];
    // Unrolled, or the loop over the blocks does not become vector code.
#pragma GCC unroll 12
    for (int round = 0; round < 12; ++round) {
        const int a = (round & 1) ? 3 : 1, b = (round & 1) ? 1 : 3;
        x[0] += x[a];
        x[a] = rotate_left(x[a], ROTATIONS[round % 8][0]) ^ x[0];
        x[2] += x[b];
        x[b] = rotate_left(x[b], ROTATIONS[round % 8][1]) ^ x[2];
        if (round % 4 == 3) {
            const int injection = round / 4 + 1;
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i)
                x[i] += key[(injection + i) % 5];
            x[3] += static_cast<uint32_t>(injection);
        }
    }
}

/// Box and Muller: two uniform words to one complex Gaussian number with unit deviation of I and Q.
inline void gaussian(uint32_t radius_word, uint32_t angle_word, float& i, float& q)
{
    // 31 bits, never 0: magnitudes up to 6.5 deviations.
    const float uniform = static_cast<float>(static_cast<int32_t>((radius_word >> 1) | 1u)) * 4.656612873077393e-10f;
    const float radius = std::sqrt(std::max(0.0f, -2.0f * natural_log(uniform)));
    float cosine, sine;
    cos_sin(angle_word, cosine, sine);
    i = radius * cosine;
    q = radius * sine;
}

/// Blocks of two samples each, first_block on.
SIMUSRP_VECTOR
void fill_blocks(const uint32_t* key, uint32_t channel, uint64_t first_block, float* i0, float* q0, float* i1, float* q1)
{
    alignas(64) uint32_t words[4][BATCH_BLOCKS];
    const uint32_t k[5] = {key[0], key[1], key[2], key[3], key[4]};
    for (size_t n = 0; n < BATCH_BLOCKS; ++n) {
        const uint64_t block = first_block + n;
        uint32_t x[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), channel, 0};
        threefry(x, k);
        words[0][n] = x[0];
        words[1][n] = x[1];
        words[2][n] = x[2];
        words[3][n] = x[3];
    }
    for (size_t n = 0; n < BATCH_BLOCKS; ++n)
        gaussian(words[0][n], words[1][n], i0[n], q0[n]);
    for (size_t n = 0; n < BATCH_BLOCKS; ++n)
        gaussian(words[2][n], words[3][n], i1[n], q1[n]);
}

} // namespace

void add_noise(uint64_t seed, uint32_t channel, int64_t first, size_t count, float deviation, std::complex<float>* out)
{
    const uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    const uint32_t key[5] = {k0, k1, 0x53494d55, 0x53525020, 0x1bd11bdau ^ k0 ^ k1 ^ 0x53494d55u ^ 0x53525020u};
    alignas(64) float parts[4][BATCH_BLOCKS];
    const int64_t end = first + static_cast<int64_t>(count);
    constexpr int64_t BATCH = 2 * static_cast<int64_t>(BATCH_BLOCKS);
    // Batches on an absolute grid, so that no sample's place in a vector depends on how the range is cut.
    for (int64_t batch = first & ~(BATCH - 1); batch < end; batch += BATCH) {
        fill_blocks(key, channel, static_cast<uint64_t>(batch) / 2, parts[0], parts[1], parts[2], parts[3]);
        const int64_t from = std::max(batch, first), to = std::min(batch + BATCH, end);
        for (int64_t n = from; n < to; ++n) {
            const size_t block = static_cast<size_t>(n - batch) >> 1, odd = (n & 1) ? 2 : 0;
            out[n - first] +=
                std::complex<float>(deviation * parts[odd][block], deviation * parts[odd + 1][block]);
        }
    }
}

uint64_t noise_seed(uint64_t seed, const char* name)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ (seed * 0x9e3779b97f4a7c15ull); // FNV-1a
    for (; *name; ++name)
        hash = (hash ^ static_cast<unsigned char>(*name)) * 0x100000001b3ull;
    return hash ^ (hash >> 29);
}

} // namespace simusrp
