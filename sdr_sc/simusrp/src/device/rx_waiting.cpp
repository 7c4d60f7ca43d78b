// SPDX-License-Identifier: GPL-3.0-or-later
// Waiting until the samples that a program asks for are there.
#include "rx_streamer.hpp"

#include <algorithm>

namespace simusrp {
namespace {

constexpr int64_t FILTER_SAMPLES = 40;    // that the interpolation of other sample clocks looks ahead
constexpr int64_t LONGEST_SLEEP_NS = 20000000;

} // namespace

bool RxStreamer::met_transmitters()
{
    if (_met_transmitters)
        return true;
    size_t transmitters = 0;
    for (const TxSlot& slot : _core->air.header().tx)
        if (slot.state.load() != TX_FREE && slot.is_first
            && (_core->args.hears_itself || slot.device != _core->air.device_index()))
            ++transmitters;
    _met_transmitters = transmitters >= _core->args.step_peers;
    return _met_transmitters;
}

RxStreamer::Wait RxStreamer::wait_rt(int64_t from, size_t count, const Deadline& deadline)
{
    const int64_t latency = _clock.samples(_core->args.rx_latency_s) + FILTER_SAMPLES;
    const int64_t ready = from + static_cast<int64_t>(count) + latency;
    const uint64_t command_number = _command_number;
    _core->air.tend(1.0);
    while (true) {
        const int64_t now = _core->now_index(_clock);
        if (now - latency - from > _clock.samples(_core->args.rx_buffer_s) && _run.end - from > latency)
            return Wait::OVERFLOW_;
        if (now >= ready)
            return Wait::OK;
        if (deadline.is_over())
            return Wait::TIMEOUT;
        const auto until_ns = static_cast<int64_t>(1e9 * static_cast<double>(ready - now) / _clock.rate_hz);
        const int64_t nap_ns = std::min({until_ns + 1000, deadline.left_ns(), LONGEST_SLEEP_NS});
        _mutex.unlock();
        sleep_ns(nap_ns);
        _mutex.lock();
        if (_command_number != command_number)
            return Wait::CHANGED;
    }
}

RxStreamer::Wait RxStreamer::wait_step(int64_t from, size_t& count, const Deadline& deadline)
{
    const uint64_t command_number = _command_number;
    const int64_t end = from + static_cast<int64_t>(count);
    while (true) {
        const uint32_t seen = _core->air.header().event.load();
        if (met_transmitters() && _paths[0]->known_until(from) >= end) {
            // Claim first, then look again: a transmitter that begins now sees the claim, or is seen here.
            _slot->claimed.store(end);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            int64_t known = end;
            for (const auto& path : _paths)
                known = std::min(known, path->known_until(from));
            if (known >= end) {
                _core->advance_to(_clock.time_ps(end));
                return Wait::OK;
            }
            _slot->claimed.store(from);
        }
        if (deadline.is_over()) {
            // Nobody sends any more, or not for now: the rest of what is known is a short packet.
            const int64_t known = met_transmitters() ? _paths[0]->known_until(from) : from;
            if (known <= from)
                return Wait::TIMEOUT;
            count = static_cast<size_t>(std::min(known, end) - from);
            return wait_step(from, count, Deadline(0.0));
        }
        _mutex.unlock();
        _core->air.wait(seen, 1e-9 * static_cast<double>(deadline.left_ns()));
        _core->air.tend(0.05);
        _mutex.lock();
        if (_command_number != command_number)
            return Wait::CHANGED;
    }
}

RxStreamer::Wait RxStreamer::wait_for(int64_t from, size_t& count, const Deadline& deadline)
{
    return _core->air.is_step() ? wait_step(from, count, deadline) : wait_rt(from, count, deadline);
}

} // namespace simusrp
