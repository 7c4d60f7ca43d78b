// SPDX-License-Identifier: GPL-3.0-or-later
#include "tx_streamer.hpp"

#include "stream_channels.hpp"
#include <uhd/exception.hpp>
#include <uhd/utils/log.hpp>
#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr int64_t AIR_MEMORY_MS = 600; // rings hold this on top of what is to be sent: the largest rx_buffer_ms and more
constexpr size_t PACKET_SAMPLES = 2040;

bool wants_next_burst(const uhd::stream_args_t& args)
{
    const std::string policy = args.args.get("underflow_policy", "next_packet");
    if (policy != "next_packet" && policy != "next_burst")
        throw uhd::value_error(
            "simusrp: underflow_policy='" + policy + "' is unknown; use next_packet or next_burst.");
    return policy == "next_burst";
}

} // namespace

TxStreamer::TxStreamer(const std::shared_ptr<DeviceCore>& core, const uhd::stream_args_t& args)
    : _core(core), _channels(checked_channels(args, core->args.channels)), _format(args),
      _drops_after_underflow(wants_next_burst(args)),
      _packet_samples(std::max<size_t>(1, std::min(PACKET_SAMPLES, args.args.cast<size_t>("spp", PACKET_SAMPLES))))
{
}

TxStreamer::~TxStreamer()
{
    const std::lock_guard<std::mutex> guard(_mutex);
    close_rings();
}

void TxStreamer::close_rings()
{
    for (TxSlot* slot : _slots)
        Air::leave(*slot);
    _slots.clear();
    _rings.clear();
    _in_burst = false;
    _core->air.notify();
}

/// Rings are made for a rate, so they are made with the first sample, and again after a change of rate.
void TxStreamer::open_rings()
{
    const SampleClock wanted = _core->clock(_core->tx(_channels[0]).rate_hz);
    if (!_rings.empty() && wanted == _clock)
        return;
    close_rings();
    _clock = wanted;
    _cursor = INT64_MIN;
    const double held_s = _core->args.tx_buffer_s + 1e-3 * AIR_MEMORY_MS;
    for (size_t place = 0; place < _channels.size(); ++place) {
        const uint64_t serial = _core->air.header().next_serial.fetch_add(1);
        auto ring = std::make_shared<RingWriter>(_core->air.name(), serial, _clock.samples(held_s));
        _core->attach(_channels[place], ring, _clock);
        _rings.push_back(ring);
        _slots.push_back(&_core->air.claim_tx(TX_ACTIVE, [&](TxSlot& slot) {
            slot.channel = static_cast<uint32_t>(_channels[place]);
            slot.is_first = place == 0;
            set_name(slot.name, _core->args.name);
            slot.serial = serial;
            slot.rate_hz = _clock.rate_hz;
            slot.ppm = _clock.ppm;
            slot.idle_samples = _core->air.is_step() ? _clock.samples(_core->args.step_idle_s) : 0;
            // Receivers stop where time is until the first burst's start is known.
            slot.declared.store(_core->now_index(_clock));
        }));
    }
}

void TxStreamer::declare(int64_t index)
{
    for (TxSlot* slot : _slots)
        if (slot->declared.load() < index)
            slot->declared.store(index);
    _core->air.notify();
}

TxStreamer::Begin TxStreamer::begin_burst(const uhd::tx_metadata_t& metadata, const Deadline& deadline)
{
    const bool is_step = _core->air.is_step();
    for (TxSlot* slot : _slots)
        slot->state.store(TX_ACTIVE);
    std::atomic_thread_fence(std::memory_order_seq_cst); // from here on no receiver claims what is not declared
    if (is_step && !wait_for_receivers(deadline))
        return Begin::TIMEOUT;
    int64_t earliest_index = std::max(earliest(), _cursor);
    if (metadata.has_time_spec)
        _announced_time = metadata.time_spec;
    if (_announced_time) {
        const int64_t wanted = _core->index_at(*_announced_time, _clock.rate_hz);
        _announced_time.reset();
        if (wanted < earliest_index) {
            report(uhd::async_metadata_t::EVENT_CODE_TIME_ERROR, wanted, "L");
            return Begin::LATE;
        }
        earliest_index = wanted;
    } else if (!is_step) {
        earliest_index = std::max(_cursor, earliest() + _clock.samples(_core->args.tx_latency_s));
    }
    start_at(earliest_index);
    return Begin::OK;
}

void TxStreamer::start_at(int64_t index)
{
    for (const auto& ring : _rings)
        ring->begin_burst(index);
    _cursor = _burst_start = index;
    _in_burst = true;
    declare(index);
}

void TxStreamer::end_burst()
{
    _in_burst = false;
    if (!_core->air.is_step()) {
        _ends.push_back(_cursor);
        return;
    }
    // Nothing else can reach the burst's samples any more: they are as good as sent.
    report(uhd::async_metadata_t::EVENT_CODE_BURST_ACK, _cursor, nullptr);
    if (!_core->args.step_hold)
        for (TxSlot* slot : _slots)
            slot->state.store(TX_IDLE);
    declare(_cursor + _slots[0]->idle_samples);
}

void TxStreamer::report(uhd::async_metadata_t::event_code_t event, int64_t index, const char* letter)
{
    for (size_t place = 0; place < _channels.size(); ++place)
        _messages.push(event, place, _core->time_at(index, _clock.rate_hz));
    if (letter)
        UHD_LOG_FASTPATH(letter);
}

/// Real-time pace: bursts whose end has passed are acknowledged; a burst that was not fed in time has underflown.
void TxStreamer::look_at_the_clock()
{
    if (_core->air.is_step() || _rings.empty())
        return;
    _core->air.tend(1.0);
    const int64_t now = _core->now_index(_clock);
    while (!_ends.empty() && _ends.front() <= now) {
        report(uhd::async_metadata_t::EVENT_CODE_BURST_ACK, _ends.front(), nullptr);
        _ends.pop_front();
    }
    if (_in_burst && _cursor < now && _cursor > _burst_start) {
        report(uhd::async_metadata_t::EVENT_CODE_UNDERFLOW, _cursor, "U");
        if (_drops_after_underflow)
            _is_dropping = true;
        else
            start_at(now + _clock.samples(_core->args.tx_latency_s));
    }
}

size_t TxStreamer::send(
    const buffs_type& buffs, const size_t samples, const uhd::tx_metadata_t& metadata, const double timeout)
{
    const std::lock_guard<std::mutex> guard(_mutex);
    const Deadline deadline(timeout);
    if (samples == 0 && !_in_burst) { // an end of burst twice, or a start of burst whose samples follow
        if (metadata.start_of_burst && metadata.has_time_spec)
            _announced_time = metadata.time_spec;
        return 0;
    }
    open_rings();
    for (size_t place = 0; place < _slots.size(); ++place) { // for 'sdr-sc simusrp list'
        _slots[place]->freq_hz.store(_core->tx_freq_hz(_channels[place]));
        _slots[place]->gain_db.store(_core->tx(_channels[place]).gain_db);
    }
    look_at_the_clock();
    const bool is_gap = _in_burst && !_is_dropping && metadata.has_time_spec && !metadata.start_of_burst
                        && _core->index_at(metadata.time_spec, _clock.rate_hz) != _cursor;
    const bool is_new = !_in_burst || (metadata.start_of_burst && (metadata.has_time_spec || _is_dropping)) || is_gap;
    if (is_new && samples > 0) {
        const Begin begun = begin_burst(metadata, deadline);
        if (begun == Begin::TIMEOUT)
            return 0;
        _is_dropping = begun == Begin::LATE; // all of the burst, as its time makes no sense any more
        _in_burst = true;
    }
    if (_is_dropping) {
        if (metadata.end_of_burst)
            _in_burst = _is_dropping = false;
        return samples;
    }
    size_t done = 0;
    while (done < samples) {
        if (room() <= 0 && !wait_for_room(deadline))
            break;
        look_at_the_clock();
        if (_is_dropping)
            return samples;
        const int64_t fitting = std::min<int64_t>(room(), static_cast<int64_t>(8 * _packet_samples));
        if (fitting <= 0)
            continue;
        const size_t part = std::min(samples - done, static_cast<size_t>(fitting));
        _wire.resize(2 * part);
        for (size_t place = 0; place < _rings.size(); ++place) {
            _format.to_wire(static_cast<const char*>(buffs[place]) + done * _format.bytes(), part, _wire.data());
            _rings[place]->append(_wire.data(), part);
        }
        _cursor += static_cast<int64_t>(part);
        done += part;
        declare(_cursor);
        if (_core->air.is_step() && room() >= _clock.samples(_core->args.tx_buffer_s)) // nobody listens
            _core->advance_to(_clock.time_ps(_cursor));
    }
    if (metadata.end_of_burst && done == samples)
        end_burst();
    return done;
}

bool TxStreamer::recv_async_msg(uhd::async_metadata_t& metadata, double timeout)
{
    const Deadline deadline(timeout);
    while (true) {
        if (_mutex.try_lock()) { // send() looks at the clock itself
            look_at_the_clock();
            _mutex.unlock();
        }
        if (_messages.pop(metadata))
            return true;
        if (deadline.is_over())
            return false;
        sleep_ns(std::min<int64_t>(deadline.left_ns(), 2000000));
    }
}

} // namespace simusrp
