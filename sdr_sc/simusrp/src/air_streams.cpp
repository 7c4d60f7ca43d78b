// SPDX-License-Identifier: GPL-3.0-or-later
// Transmitters and receivers on the air: their slots, and waiting for one another.
#include "air.hpp"

#include "owner.hpp"
#include "waiting.hpp"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <uhd/exception.hpp>
#include <unistd.h>
#include <algorithm>
#include <climits>

namespace simusrp {

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
        ::unlink(ring_path(_name, found->serial).c_str());
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
