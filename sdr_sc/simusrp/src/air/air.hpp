// SPDX-License-Identifier: GPL-3.0-or-later
// The air: a registry in shared memory of the devices on it, their transmitters and receivers.
#pragma once

#include "air_layout.hpp"
#include "args.hpp"
#include "shared_file.hpp"
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace simusrp {

/// A device's membership of an air.
class Air {
public:
    /// Makes the air if nobody is on it; clears away what dead processes left.
    /// \throws uhd::runtime_error: the name is taken, the pace differs, another layout, or no room; one sentence.
    explicit Air(const DeviceArgs& args);
    ~Air();
    Air(const Air&) = delete;
    Air& operator=(const Air&) = delete;

    AirHeader& header() { return *_header; }
    DeviceSlot& device() { return _header->devices[_device]; }
    uint32_t device_index() const { return _device; }
    const std::string& name() const { return _name; }
    bool is_step() const { return _header->pace == PACE_STEP; }

    /// Free slots, filled in by `fill` and then marked with `state`.
    TxSlot& claim_tx(TxState state, const std::function<void(TxSlot&)>& fill);
    RxSlot& claim_rx(RxState state, const std::function<void(RxSlot&)>& fill);

    /// Nanoseconds since the air began, on the monotonic clock.
    int64_t monotonic_ns() const;

    /// Notifies everybody who waits that something has changed.
    void notify();

    /// Waits until notify(), a spurious wake-up, or the end of some milliseconds.
    /// \param seen value of header().event before the caller looked
    void wait(uint32_t seen, double seconds);

    /// Now and then: marks what dead processes left behind, so that nobody waits for it, and removes the rings whose
    /// last samples are past. Does nothing while somebody else holds the lock.
    void tend(double interval_s);

    /// Marks a transmitter as gone; in step pace with the silence that it declares when it leaves.
    static void leave(TxSlot& slot);

    /// Leaves the air, and removes its files if nobody is left. Nothing else may be called after it.
    void close();

private:
    void lock();
    void unlock();
    bool enter();
    void start_over();
    bool release_dead();
    void bury_dead();
    void remove_past_rings();
    bool is_past(const TxSlot& slot) const;
    void check_fit(const DeviceArgs& args);

    std::string _name;
    bool _is_open = true;
    std::mutex _lock_mutex; // the file's lock does not keep the threads of one process apart
    std::atomic<int64_t> _tended_ns{INT64_MIN};
    SharedFile _file;
    AirHeader* _header = nullptr;
    uint32_t _device = 0;
};

/// Copies a name into a slot, and out of it.
void set_name(char (&target)[NAME_BYTES], const std::string& name);
std::string name_of(const char (&name)[NAME_BYTES]);

} // namespace simusrp
