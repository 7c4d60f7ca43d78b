// SPDX-License-Identifier: GPL-3.0-or-later
// Samples of a program to 16-bit samples and back.
#pragma once

#include <uhd/stream.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

namespace simusrp {

/// Format of the samples in the program's buffers, from its stream arguments.
class SampleFormat {
public:
    /// \throws uhd::value_error: a format that is not fc64, fc32, sc16 or sc8, or over the wire not sc16, sc12 or sc8
    explicit SampleFormat(const uhd::stream_args_t& args);

    size_t bytes() const { return _bytes; }
    /// To interleaved 16 bits; floats are clipped at full scale, what is not a number becomes 0.
    void to_wire(const void* in, size_t count, int16_t* out) const;
    void from_wire(const int16_t* in, size_t count, void* out) const;

private:
    enum class Kind { FC64, FC32, SC16, SC8 } _kind;
    size_t _bytes;
    float _full_scale = 1.0f;
};

} // namespace simusrp
