// SPDX-License-Identifier: GPL-3.0-or-later
#include "device_core.hpp"

#include "levels.hpp"
#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr int64_t PS_PER_S = 1000000000000ll;
constexpr size_t LOG_LENGTH = 64;
constexpr double LOWEST_RATE_HZ = 62.5e3, HIGHEST_RATE_HZ = 61.44e6;

} // namespace

DeviceCore::DeviceCore(const DeviceArgs& device_args)
    : args(device_args), taps(args.taps_file.empty() ? MultipathTaps() : MultipathTaps(args.taps_file)), air(args),
      _tx(args.channels), _rx(args.channels), _rx_log(args.channels), _rings(args.channels),
      _opened_ns(air.monotonic_ns())
{
    for (auto& settings : _tx)
        settings.gain_db = TX_INITIAL_GAIN_DB;
    for (auto& settings : _rx)
        settings.gain_db = RX_INITIAL_GAIN_DB;
    for (size_t channel = 0; channel < args.channels; ++channel)
        _rx_log[channel].push_back({INT64_MIN, _rx[channel].rf_hz, _rx[channel].gain_db});
}

void DeviceCore::change_tx(size_t channel, const std::function<void(ChannelSettings&)>& change)
{
    const std::lock_guard<std::mutex> guard(_mutex);
    change(_tx[channel]);
    write_radio(channel, false);
}

void DeviceCore::change_rx(size_t channel, const std::function<void(ChannelSettings&)>& change)
{
    const std::lock_guard<std::mutex> guard(_mutex);
    ChannelSettings& settings = _rx[channel];
    change(settings);
    auto& log = _rx_log[channel];
    int64_t at_ps = air_now_ps();
    if (_command_time)
        at_ps = std::max(at_ps, clock(_tick_rate_hz).time_ps(index_at(*_command_time, _tick_rate_hz)));
    at_ps = std::max(at_ps, log.back().at_ps);
    const RxSetting setting{at_ps, settings.rf_hz - settings.dsp_hz, settings.gain_db};
    if (log.back().at_ps == at_ps)
        log.back() = setting;
    else
        log.push_back(setting);
    if (log.size() > LOG_LENGTH)
        log.erase(log.begin());
}

ChannelSettings DeviceCore::tx(size_t channel) const
{
    const std::lock_guard<std::mutex> guard(_mutex);
    return _tx.at(channel);
}

ChannelSettings DeviceCore::rx(size_t channel) const
{
    const std::lock_guard<std::mutex> guard(_mutex);
    return _rx.at(channel);
}

double DeviceCore::tx_freq_hz(size_t channel) const
{
    const ChannelSettings settings = tx(channel);
    return settings.rf_hz + settings.dsp_hz; // UHD turns the sign of the DSP's shift for transmitters
}

double DeviceCore::rx_freq_hz(size_t channel) const
{
    const ChannelSettings settings = rx(channel);
    return settings.rf_hz - settings.dsp_hz;
}

RxSetting DeviceCore::rx_setting(size_t channel, int64_t now_ps, int64_t& until_ps) const
{
    const std::lock_guard<std::mutex> guard(_mutex);
    const auto& log = _rx_log[channel];
    size_t place = log.size() - 1;
    until_ps = INT64_MAX;
    while (place > 0 && log[place].at_ps > now_ps)
        until_ps = log[place--].at_ps;
    return log[place];
}

void DeviceCore::attach(size_t channel, const std::weak_ptr<RingWriter>& ring, const SampleClock& ring_clock)
{
    const std::lock_guard<std::mutex> guard(_mutex);
    _rings[channel] = {ring, ring_clock};
    write_radio(channel, true);
}

void DeviceCore::write_radio(size_t channel, bool from_the_beginning)
{
    const auto ring = _rings[channel].ring.lock();
    if (!ring)
        return;
    const SampleClock& ring_clock = _rings[channel].clock;
    int64_t from = INT64_MIN;
    if (!from_the_beginning && _command_time)
        from = index_at(*_command_time, ring_clock.rate_hz);
    else if (!from_the_beginning) // in step pace from what is sent next, whatever the receivers have heard so far
        from = air.is_step() ? std::max(ring->end(), ring_clock.ceil_index(air_now_ps())) : now_index(ring_clock);
    const ChannelSettings& settings = _tx[channel];
    ring->set_radio(from, settings.rf_hz + settings.dsp_hz, tx_full_scale_dbm(settings.gain_db));
}

double DeviceCore::coerce_rate(double rate_hz) const
{
    const double wanted = std::clamp(rate_hz, LOWEST_RATE_HZ, HIGHEST_RATE_HZ);
    if (args.master_clock_rate_hz == 0.0)
        return wanted;
    const double divisor = std::clamp(std::round(args.master_clock_rate_hz / wanted), 1.0, 512.0);
    return args.master_clock_rate_hz / divisor;
}

int64_t DeviceCore::air_now_ps() const
{
    AirHeader& header = const_cast<Air&>(air).header();
    return header.pace == PACE_STEP ? header.now_ps.load() : air.monotonic_ns() * 1000;
}

int64_t DeviceCore::now_index(const SampleClock& sample_clock) const
{
    const int64_t now_ps = air_now_ps();
    return const_cast<Air&>(air).is_step() ? sample_clock.ceil_index(now_ps) : sample_clock.floor_index(now_ps);
}

void DeviceCore::advance_to(int64_t time_ps)
{
    std::atomic<int64_t>& now_ps = air.header().now_ps;
    int64_t seen = now_ps.load();
    while (seen < time_ps && !now_ps.compare_exchange_weak(seen, time_ps)) {
    }
}

uhd::time_spec_t DeviceCore::offset()
{
    const std::lock_guard<std::mutex> guard(_time_mutex);
    if (_offset_at_pps && air_now_ps() >= _offset_at_pps->first) {
        _offset = _offset_at_pps->second;
        _offset_at_pps.reset();
    }
    return _offset;
}

uhd::time_spec_t DeviceCore::time_at(int64_t index, double rate_hz)
{
    return offset() + uhd::time_spec_t::from_ticks(index, rate_hz);
}

int64_t DeviceCore::index_at(const uhd::time_spec_t& time, double rate_hz)
{
    const uhd::time_spec_t since = time - offset();
    const long double rate = rate_hz;
    return std::llround(static_cast<long double>(since.get_full_secs()) * rate
                        + static_cast<long double>(since.get_frac_secs()) * rate);
}

uhd::time_spec_t DeviceCore::now()
{
    return time_at(now_index(clock(_tick_rate_hz)), _tick_rate_hz);
}

void DeviceCore::set_now(const uhd::time_spec_t& time)
{
    const uhd::time_spec_t counted = uhd::time_spec_t::from_ticks(now_index(clock(_tick_rate_hz)), _tick_rate_hz);
    const std::lock_guard<std::mutex> guard(_time_mutex);
    _offset_at_pps.reset();
    _offset = time - counted;
}

void DeviceCore::set_at_next_pps(const uhd::time_spec_t& time)
{
    if (air.is_step()) { // time may stand still for ever: the next second is now
        set_now(time);
        return;
    }
    offset(); // let an earlier one take effect
    const int64_t edge_ps = (air_now_ps() / PS_PER_S + 1) * PS_PER_S;
    const int64_t edge_index = clock(_tick_rate_hz).floor_index(edge_ps);
    const std::lock_guard<std::mutex> guard(_time_mutex);
    _offset_at_pps = {edge_ps, time - uhd::time_spec_t::from_ticks(edge_index, _tick_rate_hz)};
}

uhd::time_spec_t DeviceCore::last_pps()
{
    // In step pace the seconds of the wall count as edges: programs wait for one before they set the time.
    if (air.is_step())
        return uhd::time_spec_t(
            std::floor(now().get_real_secs()) + std::floor(1e-9 * static_cast<double>(air.monotonic_ns() - _opened_ns)));
    const int64_t edge_ps = air_now_ps() / PS_PER_S * PS_PER_S;
    return time_at(clock(_tick_rate_hz).floor_index(edge_ps), _tick_rate_hz);
}

void DeviceCore::set_command_time(const uhd::time_spec_t& time)
{
    const std::lock_guard<std::mutex> guard(_mutex);
    if (time == uhd::time_spec_t(0.0)) // UHD's way to clear it
        _command_time.reset();
    else
        _command_time = time;
}

} // namespace simusrp
