// SPDX-License-Identifier: GPL-3.0-or-later
// The file, little endian: "SIMTAPS1", float64 sample rate in Hz, uint32 lags, uint32 snapshots, uint64 samples between
// snapshots, then complex64 taps, snapshot by snapshot, lag 0 first.
#include "taps.hpp"

#include "fast_math.hpp"
#include <uhd/exception.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

namespace simusrp {
namespace {

constexpr size_t MAX_LAGS = 4096;
constexpr size_t MAX_TAPS = size_t(1) << 27; // a gigabyte

struct FileHeader {
    char magic[8];
    double rate_hz;
    uint32_t lags, snapshots;
    uint64_t interval;
};

/// out[n] += (tap + n slope) in[n], for interleaved I and Q.
SIMUSRP_VECTOR
void add_path(const float* in, size_t count, std::complex<float> tap, std::complex<float> slope, float share, float* out)
{
    const float tr = tap.real(), ti = tap.imag(), sr = slope.real(), si = slope.imag();
    for (size_t n = 0; n < count; ++n) {
        const float place = share + static_cast<float>(static_cast<int32_t>(n));
        const float gr = tr + sr * place, gi = ti + si * place;
        const float i = in[2 * n], q = in[2 * n + 1];
        out[2 * n] += gr * i - gi * q;
        out[2 * n + 1] += gr * q + gi * i;
    }
}

[[noreturn]] void refuse(const std::string& file, const std::string& what)
{
    throw uhd::value_error(
        "simusrp: taps=" + file + " " + what + "; write it with sdr_sc.simusrp.taps.write_taps.");
}

} // namespace

MultipathTaps::MultipathTaps(const std::string& file)
{
    std::ifstream stream(file, std::ios::binary | std::ios::ate);
    if (!stream)
        refuse(file, "cannot be read");
    const auto bytes = static_cast<uint64_t>(stream.tellg());
    stream.seekg(0);
    FileHeader header;
    if (!stream.read(reinterpret_cast<char*>(&header), sizeof header) || std::memcmp(header.magic, "SIMTAPS1", 8) != 0)
        refuse(file, "is no file of taps");
    const uint64_t taps = static_cast<uint64_t>(header.lags) * header.snapshots;
    const bool sane = header.lags >= 1 && header.lags <= MAX_LAGS && header.snapshots >= 1 && taps <= MAX_TAPS
                      && std::isfinite(header.rate_hz) && header.rate_hz > 0
                      && (header.snapshots == 1 || (header.interval >= 1 && header.interval < (1u << 24)));
    if (!sane || bytes != sizeof header + taps * sizeof(std::complex<float>))
        refuse(file, "is damaged");
    _taps.resize(taps);
    stream.read(reinterpret_cast<char*>(_taps.data()), static_cast<std::streamsize>(taps * sizeof _taps[0]));
    for (const auto& tap : _taps)
        if (!std::isfinite(tap.real()) || !std::isfinite(tap.imag()) || std::norm(tap) > 1e12f)
            refuse(file, "holds taps that are not finite, or beyond reason");
    _lags = header.lags;
    _snapshots = header.snapshots;
    _interval = static_cast<int64_t>(header.interval);
    _rate_hz = header.rate_hz;
}

void MultipathTaps::run(int64_t first, size_t count, const std::complex<float>* in, std::complex<float>* out) const
{
    std::fill_n(out, count, std::complex<float>(0.0f, 0.0f));
    const int64_t course = 2 * (static_cast<int64_t>(_snapshots) - 1); // snapshots forwards, then backwards: no jump
    for (size_t done = 0; done < count;) {
        const int64_t n = first + static_cast<int64_t>(done);
        size_t part = count - done;
        const std::complex<float>*now = _taps.data(), *next = now;
        int64_t offset = 0;
        if (course > 0) {
            const int64_t interval_number = n / _interval - (n % _interval < 0 ? 1 : 0);
            offset = n - interval_number * _interval;
            part = std::min(part, static_cast<size_t>(_interval - offset));
            const auto snapshot = [&](int64_t number) {
                const int64_t place = ((number % course) + course) % course;
                return _taps.data() + static_cast<size_t>(std::min(place, course - place)) * _lags;
            };
            now = snapshot(interval_number);
            next = snapshot(interval_number + 1);
        }
        const float scale = course > 0 ? 1.0f / static_cast<float>(_interval) : 0.0f;
        for (size_t lag = 0; lag < _lags; ++lag) {
            const std::complex<float> slope = (next[lag] - now[lag]) * scale;
            if (now[lag] == 0.0f && slope == 0.0f)
                continue;
            const auto* source = reinterpret_cast<const float*>(in + done + static_cast<size_t>(history()) - lag);
            add_path(source, part, now[lag], slope, static_cast<float>(offset), reinterpret_cast<float*>(out + done));
        }
        done += part;
    }
}

} // namespace simusrp
