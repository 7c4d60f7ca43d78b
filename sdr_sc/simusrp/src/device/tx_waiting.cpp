// SPDX-License-Identifier: GPL-3.0-or-later
// Where a transmitter may send, and waiting until it may.
#include "tx_streamer.hpp"

#include <algorithm>
#include <cmath>

namespace simusrp {
namespace {

constexpr int64_t LONGEST_SLEEP_NS = 20000000;

} // namespace

/// First index that no receiver has passed, nor been asked to be silent.
int64_t TxStreamer::earliest() const
{
    if (!_core->air.is_step())
        return _core->now_index(_clock);
    int64_t index = std::max(_slots[0]->declared.load(), _core->now_index(_clock));
    for (const RxSlot& slot : _core->air.header().rx)
        if (slot.state.load() == RX_STREAMING) {
            const ClockRatio ratio(SampleClock{slot.rate_hz, slot.ppm}, _clock);
            const int64_t claimed = slot.claimed.load();
            index = std::max(index, ratio.is_one() ? claimed
                                                   : static_cast<int64_t>(std::ceil(
                                                       static_cast<long double>(claimed) * ratio.value())));
        }
    return index;
}

bool TxStreamer::wait_for_receivers(const Deadline& deadline)
{
    while (!_met_receivers) {
        const uint32_t seen = _core->air.header().event.load();
        size_t receivers = 0;
        for (const RxSlot& slot : _core->air.header().rx)
            if (slot.state.load() == RX_STREAMING
                && (_core->args.hears_itself || slot.device != _core->air.device_index()))
                ++receivers;
        _met_receivers = receivers >= _core->args.step_peers;
        if (_met_receivers || deadline.is_over())
            break;
        _core->air.wait(seen, 1e-9 * static_cast<double>(deadline.left_ns()));
        _core->air.tend(0.05);
    }
    return _met_receivers;
}

/// Samples that may be written now.
int64_t TxStreamer::room()
{
    const int64_t buffer = _clock.samples(_core->args.tx_buffer_s);
    if (!_core->air.is_step()) // a burst that has not begun takes its place in the buffer all the same
        return buffer - (_cursor - std::clamp(_core->now_index(_clock), _burst_start, _cursor));
    int64_t slowest = INT64_MAX;
    for (const RxSlot& slot : _core->air.header().rx)
        if (slot.state.load() == RX_STREAMING) {
            const ClockRatio ratio(SampleClock{slot.rate_hz, slot.ppm}, _clock);
            const int64_t claimed = static_cast<int64_t>(static_cast<long double>(slot.claimed.load()) * ratio.value());
            slowest = std::min(slowest, claimed);
        }
    return slowest == INT64_MAX ? buffer : slowest + buffer - _cursor;
}

bool TxStreamer::wait_for_room(const Deadline& deadline)
{
    // In step pace until a quarter of the buffer is free: receivers still have the rest, and the two threads wake each
    // other less often.
    const int64_t enough = _core->air.is_step() ? _clock.samples(_core->args.tx_buffer_s) / 4 : 1;
    while (true) {
        const uint32_t seen = _core->air.header().event.load();
        if (room() >= enough)
            return true;
        if (deadline.is_over())
            return room() > 0;
        if (_core->air.is_step()) {
            _core->air.wait(seen, 1e-9 * static_cast<double>(deadline.left_ns()));
            _core->air.tend(0.05);
        } else {
            // Until a packet fits, so that a slow buffer is not filled sample by sample.
            const int64_t missing = static_cast<int64_t>(_packet_samples) - room();
            const auto until_ns = static_cast<int64_t>(1e9 * static_cast<double>(missing) / _clock.rate_hz);
            sleep_ns(std::min({until_ns + 1000, deadline.left_ns(), LONGEST_SLEEP_NS}));
        }
    }
}

} // namespace simusrp
