// SPDX-License-Identifier: GPL-3.0-or-later
#include "receive_path.hpp"

#include "fast_math.hpp"
#include "levels.hpp"
#include "live_values.hpp"
#include "mixer.hpp"
#include "noise.hpp"
#include <uhd/utils/log.hpp>
#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr size_t LONGEST_PIECE = 4096; // keeps the buffers in the processor's cache
constexpr int64_t LONGEST_REACH = 2064;
constexpr double SMALL_SHIFT = 0.05; // of the rate: what this little wraps around lies where filters have no pass band
constexpr double SMALLEST_OVERLAP = 1.0 / 16.0; // of the narrower band; less is silence

constexpr float ADC_STEPS = 1 << (ADC_BITS - 1);

SIMUSRP_VECTOR
void convert(const float* in, size_t count, int16_t* out)
{
    for (size_t n = 0; n < count; ++n) {
        int32_t code = nearest_int(clip_unit(in[n]) * ADC_STEPS);
        code = code < static_cast<int32_t>(ADC_STEPS) - 1 ? code : static_cast<int32_t>(ADC_STEPS) - 1;
        out[n] = static_cast<int16_t>(code * (1 << (16 - ADC_BITS)));
    }
}

SIMUSRP_VECTOR
void scale(float* values, size_t count, float gain)
{
    for (size_t n = 0; n < count; ++n)
        values[n] *= gain;
}

SIMUSRP_VECTOR
void add(const float* in, size_t count, float* out)
{
    for (size_t n = 0; n < count; ++n)
        out[n] += in[n];
}

} // namespace

ReceivePath::ReceivePath(const std::shared_ptr<DeviceCore>& core, size_t channel, const SampleClock& clock)
    : _core(core), _channel(channel), _clock(clock), _seed(noise_seed(core->args.seed, core->args.name.c_str()))
{
}

ReceivePath::Source* ReceivePath::source(size_t number)
{
    const TxSlot& slot = _core->air.header().tx[number];
    const uint32_t state = slot.state.load();
    if (state == TX_FREE || (!_core->args.hears_itself && slot.device == _core->air.device_index()))
        return nullptr;
    Source& known = _sources[number];
    const uint64_t serial = slot.serial;
    if (!known.is_known || known.serial != serial) {
        known.is_known = true;
        known.serial = serial;
        known.is_open = known.ring.open(_core->air.name(), serial);
        known.clock = SampleClock{slot.rate_hz, slot.ppm};
        known.ratio = std::make_unique<ClockRatio>(_clock, known.clock);
    }
    return known.is_open ? &known : nullptr;
}

ReceivePath::Link ReceivePath::link(
    const Source& source, const TxSlot& slot, double tx_freq_hz, double rx_freq_hz, double cfo_hz)
{
    Link found;
    const double tx_rate = slot.rate_hz, rx_rate = _clock.rate_hz, narrower = std::min(tx_rate, rx_rate);
    const double shift = static_cast<double>(static_cast<long double>(tx_freq_hz) * (1.0L + slot.ppm * 1e-6L)
                                             - static_cast<long double>(rx_freq_hz) * (1.0L + _clock.ppm * 1e-6L))
                         + cfo_hz;
    if (std::abs(shift) <= SMALL_SHIFT * narrower) {
        found.postmix_hz = shift;
        found.is_direct = source.ratio->is_one();
        if (!found.is_direct)
            found.filter = Interpolator::get(narrower / tx_rate);
    } else {
        // The part of the transmitter's band that falls into ours: bring it to 0 Hz, filter, bring it to its place.
        const double low = std::max(-tx_rate / 2, -rx_rate / 2 - shift);
        const double high = std::min(tx_rate / 2, rx_rate / 2 - shift);
        if (high - low < SMALLEST_OVERLAP * narrower) {
            found.is_silent = true;
            return found;
        }
        const double middle = (low + high) / 2;
        found.premix_hz = -middle;
        found.postmix_hz = middle + shift;
        found.filter = Interpolator::get((high - low) / tx_rate);
    }
    if (!found.is_direct && !found.filter) {
        found.is_silent = true;
        if (!_has_warned)
            UHD_LOG_WARNING("SIMUSRP", "receiver '" << _core->args.name << "' at " << rx_rate * 1e-6
                                                    << " MS/s does not hear transmitter '" << name_of(slot.name) << "' at "
                                                    << tx_rate * 1e-6
                                                    << " MS/s: their rates are too far apart; bring them closer.");
        _has_warned = true;
    }
    return found;
}

int64_t ReceivePath::known_until(int64_t first)
{
    const int64_t now_ps = _clock.time_ps(first);
    int64_t ignored;
    const RxSetting setting = _core->rx_setting(_channel, now_ps, ignored);
    const LiveValues live = live_values(_core->air.device(), now_ps);
    int64_t limit = INT64_MAX, horizon = INT64_MIN;
    bool any_active = false;
    for (size_t number = 0; number < MAX_STREAMS; ++number) {
        const TxSlot& slot = _core->air.header().tx[number];
        const uint32_t state = slot.state.load();
        if (state == TX_FREE)
            continue;
        const int64_t declared = slot.declared.load();
        int64_t until = declared;
        const ClockRatio ratio(_clock, SampleClock{slot.rate_hz, slot.ppm});
        int64_t reach = 0;
        if (Source* known = source(number)) {
            int64_t whole;
            uint64_t fraction;
            ratio.place(first, whole, fraction);
            for (const RadioPiece& piece : known->ring.pieces(whole - LONGEST_REACH, std::max(declared, whole) + 1)) {
                const Link way = link(*known, slot, piece.freq_hz, setting.freq_hz, live.cfo_hz);
                if (!way.is_silent && !way.is_direct)
                    reach = std::max(reach, way.filter->reach() + 1);
            }
        }
        if (!ratio.is_one() || reach > 0)
            until = static_cast<int64_t>(std::floor(static_cast<long double>(declared - reach) / ratio.value()));
        if (state == TX_ACTIVE) {
            any_active = true;
            limit = std::min(limit, until);
        } else {
            horizon = std::max(horizon, until);
        }
    }
    return any_active ? limit : horizon;
}

void ReceivePath::add_transmitter(const TxSlot& slot, Source& source, const RxSetting& setting, double cfo_hz,
    int64_t first, size_t count, std::complex<float>* out)
{
    double gain_db = 0.0;
    if (slot.channel != _channel) {
        if (_core->args.cross_loss_db < 0.0)
            return;
        gain_db = -_core->args.cross_loss_db;
    }
    int64_t low, high;
    uint64_t fraction;
    source.ratio->place(first, low, fraction);
    source.ratio->place(first + static_cast<int64_t>(count) - 1, high, fraction);
    for (const RadioPiece& piece : source.ring.pieces(low - LONGEST_REACH, high + LONGEST_REACH)) {
        const Link way = link(source, slot, piece.freq_hz, setting.freq_hz, cfo_hz);
        if (way.is_silent)
            continue;
        const int64_t reach = way.is_direct ? 0 : way.filter->reach();
        const int64_t from = way.is_direct ? low : low - reach, to = high + reach + 1;
        const int64_t piece_from = std::max(from, piece.from), piece_to = std::min(to, piece.to);
        if (piece_from >= piece_to)
            continue;
        const size_t span = static_cast<size_t>(to - from);
        _scratch.assign(span, {0.0f, 0.0f});
        const float gain = static_cast<float>(amplitude(piece.full_scale_dbm + gain_db)) / DAC_FULL_SCALE;
        if (!source.ring.read(piece_from, static_cast<size_t>(piece_to - piece_from), gain,
                _scratch.data() + (piece_from - from)))
            continue;
        std::complex<float>* heard = _scratch.data();
        if (way.premix_hz != 0.0)
            mix(turns_per_sample(way.premix_hz, source.clock.hz()), from, span, heard);
        if (!way.is_direct) {
            _resampled.resize(count);
            way.filter->run(*source.ratio, first, count, heard, from, _resampled.data());
            heard = _resampled.data();
        }
        if (way.postmix_hz != 0.0)
            mix(turns_per_sample(way.postmix_hz, _clock.hz()), first, count, heard);
        add(reinterpret_cast<const float*>(heard), 2 * count, reinterpret_cast<float*>(out));
    }
}

/// The sum of all transmitters in sqrt(mW).
void ReceivePath::receive(
    const RxSetting& setting, double cfo_hz, int64_t first, size_t count, std::complex<float>* out)
{
    std::fill_n(out, count, std::complex<float>(0.0f, 0.0f));
    for (size_t number = 0; number < MAX_STREAMS; ++number)
        if (Source* known = source(number))
            add_transmitter(_core->air.header().tx[number], *known, setting, cfo_hz, first, count, out);
}

void ReceivePath::render(int64_t first, size_t count, int16_t* out)
{
    const int64_t end = first + static_cast<int64_t>(count), history = _core->taps.history();
    while (first < end) {
        const int64_t now_ps = _clock.time_ps(first);
        int64_t until_ps;
        const RxSetting setting = _core->rx_setting(_channel, now_ps, until_ps);
        const LiveValues live = live_values(_core->air.device(), now_ps);
        until_ps = std::min(until_ps, live.until_ps);
        int64_t to = std::min(end, first + static_cast<int64_t>(LONGEST_PIECE));
        if (until_ps != INT64_MAX)
            to = std::min(to, std::max(first + 1, _clock.ceil_index(until_ps)));
        const size_t part = static_cast<size_t>(to - first), kept = static_cast<size_t>(history);

        _signal.resize(kept + LONGEST_PIECE);
        if (_signal_end != first && kept > 0)
            receive(setting, live.cfo_hz, first - history, kept, _signal.data());
        receive(setting, live.cfo_hz, first, part, _signal.data() + kept);
        std::complex<float>* heard = _signal.data() + kept;
        if (!_core->taps.is_empty()) {
            _filtered.resize(LONGEST_PIECE);
            _core->taps.run(first, part, _signal.data(), _filtered.data());
            std::copy(_signal.begin() + static_cast<int64_t>(part), _signal.begin() + static_cast<int64_t>(part + kept),
                _signal.begin());
            heard = _filtered.data();
        }
        _signal_end = to;

        const double full_scale_dbm = rx_full_scale_dbm(setting.gain_db);
        const double noise_dbfs = thermal_noise_dbm(_clock.rate_hz, live.noise_figure_db) - full_scale_dbm;
        scale(reinterpret_cast<float*>(heard), 2 * part,
            static_cast<float>(amplitude(-live.path_loss_db - full_scale_dbm)));
        add_noise(_seed, static_cast<uint32_t>(_channel), first, part,
            static_cast<float>(amplitude(noise_dbfs) * std::sqrt(0.5)), heard);
        convert(reinterpret_cast<const float*>(heard), 2 * part, out);
        out += 2 * part;
        first = to;
    }
}

} // namespace simusrp
