// SPDX-License-Identifier: GPL-3.0-or-later
// What one channel of a transmitter has sent: the end of an endless tape of samples, and the bursts that say when they
// are on the air. One writer, any number of readers; a reader never blocks the writer, and checks afterwards that what
// it copied was not overwritten meanwhile.
#pragma once

#include "air_layout.hpp"
#include "shared_file.hpp"
#include <complex>
#include <mutex>
#include <string>
#include <vector>

namespace simusrp {

constexpr float DAC_FULL_SCALE = 32767.0f; // samples on the tape are 16 bits, as on the wire to a USRP

class RingWriter {
public:
    /// \throws uhd::os_error: no room
    RingWriter(const std::string& air, uint64_t serial, int64_t capacity);

    void begin_burst(int64_t start);
    /// Appends to the burst; `samples` are interleaved I and Q.
    void append(const int16_t* samples, size_t count);
    /// Index after the last sample.
    int64_t end() const { return _end; }
    void set_radio(int64_t from, double freq_hz, double full_scale_dbm);

private:
    SharedFile _file;
    RingHeader* _header;
    int16_t* _samples;
    const int64_t _capacity;
    Burst* _burst = nullptr;
    int64_t _end = INT64_MIN;
    int64_t _written = 0;
    std::mutex _settings_mutex;
};

/// A stretch of constant carrier and power.
struct RadioPiece {
    int64_t from, to;
    double freq_hz, full_scale_dbm;
};

class RingReader {
public:
    /// \return false if the ring is not there (any more), or is not what its header says
    bool open(const std::string& air, uint64_t serial);

    /// The stretches within first .. end - 1, in order.
    std::vector<RadioPiece> pieces(int64_t first, int64_t end) const;

    /// Samples first .. first + count - 1 times gain; silence is zeros. \return false if all of it is silence
    bool read(int64_t first, size_t count, float gain, std::complex<float>* out) const;

private:
    SharedFile _file;
    RingHeader* _header = nullptr;
    const int16_t* _samples = nullptr;
    int64_t _capacity = 1; // as checked: what the shared memory says may change
};

} // namespace simusrp
