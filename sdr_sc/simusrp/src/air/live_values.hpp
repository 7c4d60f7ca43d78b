// SPDX-License-Identifier: GPL-3.0-or-later
// Values that somebody else may change while a device runs, through its DeviceSlot.
#pragma once

#include "air_layout.hpp"
#include <algorithm>
#include <cstdint>

namespace simusrp {

struct LiveValues {
    double path_loss_db, cfo_hz, noise_figure_db;
    int64_t until_ps; // the next change
};

/// Values at a moment of the air: of each key the change with the latest moment that has come.
inline LiveValues live_values(const DeviceSlot& slot, int64_t now_ps)
{
    double value[LIVE_KEYS] = {slot.initial[0], slot.initial[1], slot.initial[2]};
    int64_t since[LIVE_KEYS] = {INT64_MIN, INT64_MIN, INT64_MIN};
    int64_t until = INT64_MAX;
    const uint32_t count = slot.change_count.load(std::memory_order_acquire);
    for (uint32_t number = count - std::min<uint32_t>(count, MAX_CHANGES); number < count; ++number) {
        const Change& change = slot.changes[number % MAX_CHANGES];
        if (change.key >= LIVE_KEYS)
            continue;
        if (change.at_ps > now_ps) {
            until = std::min(until, change.at_ps);
        } else if (change.at_ps >= since[change.key]) {
            since[change.key] = change.at_ps;
            value[change.key] = change.value;
        }
    }
    return {value[LIVE_PATH_LOSS_DB], value[LIVE_CFO_HZ], value[LIVE_NOISE_FIGURE_DB], until};
}

} // namespace simusrp
