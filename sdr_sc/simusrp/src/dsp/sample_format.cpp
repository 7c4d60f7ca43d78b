// SPDX-License-Identifier: GPL-3.0-or-later
#include "sample_format.hpp"

#include "fast_math.hpp"
#include <uhd/exception.hpp>
#include <cstring>

namespace simusrp {
namespace {

constexpr float DAC_STEPS = 32767.0f, ADC_STEPS = 32768.0f;

SIMUSRP_VECTOR
void floats_to_wire(const float* in, size_t values, float scale, int16_t* out)
{
    for (size_t n = 0; n < values; ++n)
        out[n] = static_cast<int16_t>(nearest_int(clip_unit(in[n] * scale) * DAC_STEPS));
}

SIMUSRP_VECTOR
void floats_from_wire(const int16_t* in, size_t values, float scale, float* out)
{
    for (size_t n = 0; n < values; ++n)
        out[n] = static_cast<float>(in[n]) * scale;
}

} // namespace

SampleFormat::SampleFormat(const uhd::stream_args_t& args)
{
    const std::string& cpu = args.cpu_format;
    if (cpu == "fc64") {
        _kind = Kind::FC64;
        _bytes = 16;
    } else if (cpu == "fc32" || cpu.empty()) {
        _kind = Kind::FC32;
        _bytes = 8;
    } else if (cpu == "sc16") {
        _kind = Kind::SC16;
        _bytes = 4;
    } else if (cpu == "sc8") {
        _kind = Kind::SC8;
        _bytes = 2;
    } else {
        throw uhd::value_error("simusrp: cpu format '" + cpu + "' is not supported; use fc64, fc32, sc16 or sc8.");
    }
    const std::string& wire = args.otw_format;
    if (!wire.empty() && wire != "sc16" && wire != "sc12" && wire != "sc8")
        throw uhd::value_error("simusrp: wire format '" + wire + "' is not supported; use sc16, sc12 or sc8.");
    _full_scale = static_cast<float>(args.args.cast<double>("fullscale", 1.0));
    if (!(_full_scale > 0.0f && _full_scale < 1e9f))
        throw uhd::value_error("simusrp: fullscale has to be a number above 0.");
}

void SampleFormat::to_wire(const void* in, size_t count, int16_t* out) const
{
    const size_t values = 2 * count;
    if (_kind == Kind::FC32) {
        floats_to_wire(static_cast<const float*>(in), values, 1.0f / _full_scale, out);
    } else if (_kind == Kind::FC64) {
        for (size_t n = 0; n < values; ++n)
            out[n] = static_cast<int16_t>(nearest_int(
                clip_unit(static_cast<float>(static_cast<const double*>(in)[n]) / _full_scale) * DAC_STEPS));
    } else if (_kind == Kind::SC16) {
        std::memcpy(out, in, values * sizeof(int16_t));
    } else {
        for (size_t n = 0; n < values; ++n)
            out[n] = static_cast<int16_t>(static_cast<const int8_t*>(in)[n] * 256);
    }
}

void SampleFormat::from_wire(const int16_t* in, size_t count, void* out) const
{
    const size_t values = 2 * count;
    if (_kind == Kind::FC32) {
        floats_from_wire(in, values, _full_scale / ADC_STEPS, static_cast<float*>(out));
    } else if (_kind == Kind::FC64) {
        for (size_t n = 0; n < values; ++n)
            static_cast<double*>(out)[n] = static_cast<double>(in[n]) * static_cast<double>(_full_scale / ADC_STEPS);
    } else if (_kind == Kind::SC16) {
        std::memcpy(out, in, values * sizeof(int16_t));
    } else {
        for (size_t n = 0; n < values; ++n)
            static_cast<int8_t*>(out)[n] = static_cast<int8_t>(in[n] >> 8);
    }
}

} // namespace simusrp
