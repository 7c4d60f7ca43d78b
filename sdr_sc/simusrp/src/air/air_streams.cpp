// SPDX-License-Identifier: GPL-3.0-or-later
// Transmitters and receivers on the air: their slots, and waiting for one another.
#include "air.hpp"

#include "owner.hpp"
#include "sample_clock.hpp"
#include "waiting.hpp"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <uhd/exception.hpp>
#include <unistd.h>
#include <algorithm>
#include <climits>

namespace simusrp {
namespace {

constexpr double LONGEST_DELAY_S = 0.6; // how far a receiver in real-time pace may be behind: its largest rx_buffer_ms

} // namespace

void Air::tend(double interval_s)
{
    const int64_t now_ns = monotonic_now_ns();
    int64_t last_ns = _tended_ns.load();
    if (now_ns - std::max<int64_t>(last_ns, 0) < static_cast<int64_t>(interval_s * 1e9)
        || !_tended_ns.compare_exchange_strong(last_ns, now_ns))
        return;
    if (!_lock_mutex.try_lock())
        return;
    if (_file.try_lock()) {
        bury_dead();
        remove_past_rings();
        _file.unlock();
    }
    _lock_mutex.unlock();
}

/// Whether all receivers have heard the last samples of a transmitter that left.
bool Air::is_past(const TxSlot& slot) const
{
    const SampleClock clock{slot.rate_hz, slot.ppm};
    const int64_t end = slot.declared.load();
    if (!is_step())
        return monotonic_ns() * 1000 > clock.time_ps(end) + static_cast<int64_t>(LONGEST_DELAY_S * 1e12);
    if (_header->now_ps.load() < clock.time_ps(end))
        return false;
    return std::none_of(std::begin(_header->rx), std::end(_header->rx), [&](const RxSlot& receiver) {
        const SampleClock theirs{receiver.rate_hz, receiver.ppm};
        return receiver.state.load() == RX_STREAMING && theirs.time_ps(receiver.claimed.load()) < clock.time_ps(end);
    });
}

/// Receivers that have opened such a ring keep it; those that come later have no use for it.
void Air::remove_past_rings()
{
    for (const TxSlot& slot : _header->tx)
        if (slot.state.load() == TX_LEFT && is_past(slot))
            remove_own(ring_path(_name, slot.serial));
}

void Air::bury_dead()
{
    bool changed = false;
    for (TxSlot& slot : _header->tx) {
        const uint32_t state = slot.state.load();
        if ((state == TX_ACTIVE || state == TX_IDLE) && !is_alive(slot.owner)) {
            leave(slot);
            changed = true;
        }
    }
    for (RxSlot& slot : _header->rx) {
        if (slot.state.load() != RX_FREE && !is_alive(slot.owner)) {
            slot.state.store(RX_FREE);
            changed = true;
        }
    }
    if (changed)
        notify();
}

void Air::leave(TxSlot& slot)
{
    uint32_t state = slot.state.load();
    if (state == TX_ACTIVE && slot.state.compare_exchange_strong(state, TX_LEFT))
        slot.declared.fetch_add(slot.idle_samples);
    else if (state == TX_IDLE)
        slot.state.compare_exchange_strong(state, TX_LEFT);
}

TxSlot& Air::claim_tx(TxState state, const std::function<void(TxSlot&)>& fill)
{
    lock();
    TxSlot* found = nullptr;
    for (TxSlot& slot : _header->tx) {
        if (slot.state.load() == TX_FREE) {
            found = &slot;
            break;
        }
        // Otherwise the one that left first: its samples have been heard longest ago.
        if (slot.state.load() == TX_LEFT && (!found || slot.serial < found->serial))
            found = &slot;
    }
    if (!found) {
        unlock();
        throw uhd::runtime_error("simusrp: air '" + _name + "' has too many transmitters; use another air=.");
    }
    if (found->state.load() == TX_LEFT)
        remove_own(ring_path(_name, found->serial));
    found->state.store(TX_FREE);
    found->owner = this_process();
    found->device = _device;
    fill(*found);
    found->state.store(state);
    unlock();
    notify();
    return *found;
}

RxSlot& Air::claim_rx(RxState state, const std::function<void(RxSlot&)>& fill)
{
    lock();
    for (RxSlot& slot : _header->rx) {
        if (slot.state.load() != RX_FREE)
            continue;
        slot.owner = this_process();
        slot.device = _device;
        fill(slot);
        slot.state.store(state);
        unlock();
        return slot;
    }
    unlock();
    throw uhd::runtime_error("simusrp: air '" + _name + "' has too many receivers; use another air=.");
}

int64_t Air::monotonic_ns() const
{
    return monotonic_now_ns() - static_cast<int64_t>(_header->epoch_ns);
}

void Air::notify()
{
    _header->event.fetch_add(1);
    if (_header->waiters.load() != 0)
        syscall(SYS_futex, reinterpret_cast<uint32_t*>(&_header->event), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Air::wait(uint32_t seen, double seconds)
{
    const double limited = std::min(std::max(seconds, 0.0), 0.02);
    const timespec time{0, static_cast<long>(limited * 1e9)};
    // A waiter that is killed leaves the count too high; that costs needless wake-up calls and nothing else.
    _header->waiters.fetch_add(1);
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&_header->event), FUTEX_WAIT, seen, &time, nullptr, 0);
    _header->waiters.fetch_sub(1);
}

} // namespace simusrp
