// SPDX-License-Identifier: GPL-3.0-or-later
#include "rx_streamer.hpp"

#include "stream_channels.hpp"
#include <uhd/exception.hpp>
#include <uhd/utils/log.hpp>
#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr size_t PACKET_SAMPLES = 2040;
constexpr double LONGEST_PACKET_S = 4e-3; // a transmitter's buffer holds several of them whatever the rates are

} // namespace

RxStreamer::RxStreamer(const std::shared_ptr<DeviceCore>& core, const uhd::stream_args_t& args)
    : _core(core), _channels(checked_channels(args, core->args.channels)), _format(args),
      _wanted_packet(std::max<size_t>(1, args.args.cast<size_t>("spp", PACKET_SAMPLES)))
{
    prepare(_core->rx(_channels[0]).rate_hz);
}

RxStreamer::~RxStreamer()
{
    const std::lock_guard<std::mutex> guard(_mutex);
    if (_slot)
        _slot->state.store(RX_FREE);
    _core->air.notify();
}

void RxStreamer::prepare(double rate_hz)
{
    const SampleClock wanted = _core->clock(rate_hz);
    if (!_paths.empty() && wanted == _clock)
        return;
    _clock = wanted;
    const auto longest = static_cast<size_t>(std::max(16.0, LONGEST_PACKET_S * rate_hz));
    _packet_samples = std::min({_wanted_packet, PACKET_SAMPLES, longest});
    _paths.clear();
    for (const size_t channel : _channels)
        _paths.push_back(std::make_unique<ReceivePath>(_core, channel, _clock));
    if (_slot) {
        _slot->state.store(RX_FREE);
        _slot = nullptr;
    }
}

void RxStreamer::set_state(RxState state)
{
    if (_slot)
        _slot->state.store(state);
    _core->air.notify();
}

void RxStreamer::issue_stream_cmd(const uhd::stream_cmd_t& command)
{
    const std::lock_guard<std::mutex> guard(_mutex);
    ++_command_number;
    if (command.stream_mode == uhd::stream_cmd_t::STREAM_MODE_STOP_CONTINUOUS) {
        _commands.clear();
        if (!_run.is_active)
            return;
        // What has been received so far can still be read; in step pace that is nothing.
        const int64_t now = _core->now_index(_clock);
        _run.end = std::min(_run.end, _core->air.is_step() ? _run.next : std::max(_run.next, now));
        _run.is_chained = false;
        if (_run.end == _run.next)
            _run.is_active = false;
        if (!_run.is_active || _core->air.is_step())
            set_state(RX_STOPPED);
        return;
    }
    const double rate_hz = _core->rx(_channels[0]).rate_hz;
    if (!_core->taps.is_empty() && std::abs(_core->taps.rate_hz() - rate_hz) > 1e-6 * rate_hz)
        throw uhd::value_error("simusrp: taps=" + _core->args.taps_file + " is for "
                               + std::to_string(_core->taps.rate_hz()) + " samples a second and the receiver takes "
                               + std::to_string(rate_hz) + "; write taps for that rate.");
    if (_run.is_active)
        _commands.push_back(command); // chained
    else
        start(command);
}

void RxStreamer::start(const uhd::stream_cmd_t& command)
{
    prepare(_core->rx(_channels[0]).rate_hz);
    const int64_t now = _core->now_index(_clock);
    int64_t first = now;
    if (_run.is_active) { // the next of a chain
        first = _run.next;
    } else if (!command.stream_now) {
        first = _core->index_at(command.time_spec, _clock.rate_hz);
        if (first < now) {
            UHD_LOG_FASTPATH("L");
            _errors.emplace_back(uhd::rx_metadata_t::ERROR_CODE_LATE_COMMAND, now);
            return;
        }
    }
    using mode = uhd::stream_cmd_t;
    _run.is_continuous = command.stream_mode == mode::STREAM_MODE_START_CONTINUOUS;
    _run.is_chained = command.stream_mode == mode::STREAM_MODE_NUM_SAMPS_AND_MORE;
    _run.is_first = !_run.is_active;
    _run.next = first;
    _run.end = _run.is_continuous ? INT64_MAX : first + static_cast<int64_t>(command.num_samps);
    _run.is_active = _run.end > first;
    if (!_slot)
        _slot = &_core->air.claim_rx(RX_STOPPED, [&](RxSlot& slot) {
            set_name(slot.name, _core->args.name);
            slot.rate_hz = _clock.rate_hz;
            slot.ppm = _clock.ppm;
            slot.claimed.store(first);
        });
    _slot->claimed.store(first);
    _slot->freq_hz.store(_core->rx_freq_hz(_channels[0]));
    _slot->gain_db.store(_core->rx(_channels[0]).gain_db);
    set_state(RX_STREAMING);
}

size_t RxStreamer::fail(uhd::rx_metadata_t& metadata, uhd::rx_metadata_t::error_code_t error, int64_t index)
{
    metadata.error_code = error;
    if (error != uhd::rx_metadata_t::ERROR_CODE_TIMEOUT) {
        metadata.has_time_spec = true;
        metadata.time_spec = _core->time_at(index, _clock.rate_hz);
    }
    return 0;
}

/// Counts samples that were handed over; a run that has ended goes on to the next command.
void RxStreamer::finish_part(size_t count)
{
    _run.next += static_cast<int64_t>(count);
    _run.is_first = false;
    if (_run.next < _run.end)
        return;
    if (!_commands.empty()) {
        const uhd::stream_cmd_t command = _commands.front();
        _commands.pop_front();
        if (!command.stream_now && !_run.is_chained)
            _run.is_active = false; // it has a time of its own
        start(command);
        return;
    }
    if (_run.is_chained)
        _errors.emplace_back(uhd::rx_metadata_t::ERROR_CODE_BROKEN_CHAIN, _run.next);
    // Transmitters go on waiting for a receiver that takes samples by number: its next command continues from here.
    if (_run.is_continuous)
        set_state(RX_STOPPED);
    _run.is_active = false;
}

size_t RxStreamer::recv(const buffs_type& buffs, const size_t samples, uhd::rx_metadata_t& metadata,
    const double timeout, const bool one_packet)
{
    metadata.reset();
    std::unique_lock<std::mutex> guard(_mutex);
    Deadline deadline(timeout);
    size_t done = 0;
    while (done < samples) {
        if (!_errors.empty()) {
            if (done > 0)
                break; // next time
            const auto [error, index] = _errors.front();
            _errors.pop_front();
            return fail(metadata, error, index);
        }
        if (!_run.is_active) {
            if (done > 0)
                break;
            if (deadline.is_over())
                return fail(metadata, uhd::rx_metadata_t::ERROR_CODE_TIMEOUT, 0);
            guard.unlock();
            sleep_ns(std::min<int64_t>(deadline.left_ns(), 1000000));
            guard.lock();
            continue;
        }
        const int64_t next = _run.next;
        size_t part = static_cast<size_t>(std::min<int64_t>(_run.end - next,
            static_cast<int64_t>(std::min(samples - done, _packet_samples))));
        const Wait waited = wait_for(next, part, deadline);
        if (waited == Wait::CHANGED)
            continue;
        if (waited == Wait::TIMEOUT)
            return done > 0 ? done : fail(metadata, uhd::rx_metadata_t::ERROR_CODE_TIMEOUT, 0);
        if (waited == Wait::OVERFLOW_) {
            if (done > 0)
                break;
            UHD_LOG_FASTPATH("O");
            // What had piled up is dropped with the rest; a continuous run goes on with what comes now.
            const int64_t lost_from = _run.next;
            _run.next = std::min(_core->now_index(_clock), _run.end);
            if (!_run.is_continuous || _run.next == _run.end)
                _run.is_active = false;
            return fail(metadata, uhd::rx_metadata_t::ERROR_CODE_OVERFLOW, lost_from);
        }
        _wire.resize(2 * part);
        const bool is_first = _run.is_first;
        for (size_t place = 0; place < _paths.size(); ++place) {
            _paths[place]->render(next, part, _wire.data());
            _format.from_wire(_wire.data(), part, static_cast<char*>(buffs[place]) + done * _format.bytes());
        }
        if (done == 0) {
            metadata.has_time_spec = true;
            metadata.time_spec = _core->time_at(next, _clock.rate_hz);
            metadata.start_of_burst = is_first;
        }
        done += part;
        finish_part(part);
        if (!_run.is_active) {
            metadata.end_of_burst = true;
            break;
        }
        if (one_packet || _run.next != next + static_cast<int64_t>(part)) // a jump in time starts another packet
            break;
        deadline = Deadline(timeout);
    }
    return done;
}

} // namespace simusrp
