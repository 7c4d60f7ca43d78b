// SPDX-License-Identifier: GPL-3.0-or-later
#include "air.hpp"

#include "owner.hpp"
#include "waiting.hpp"
#include <uhd/exception.hpp>
#include <unistd.h>
#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>

namespace simusrp {
namespace {

constexpr double LOCK_LIMIT_S = 5.0;

/// Programs often end with a device open. Its destructor does not run then; this one's does.
struct OpenAirs {
    std::mutex mutex;
    std::set<Air*> airs;
    ~OpenAirs()
    {
        while (!airs.empty())
            (*airs.begin())->close();
    }
};

OpenAirs& open_airs()
{
    static OpenAirs airs;
    return airs;
}

} // namespace

void set_name(char (&target)[NAME_BYTES], const std::string& name)
{
    std::memset(target, 0, NAME_BYTES);
    name.copy(target, NAME_BYTES - 1);
}

std::string name_of(const char (&name)[NAME_BYTES])
{
    return std::string(name, strnlen(name, NAME_BYTES));
}

Air::Air(const DeviceArgs& args) : _name(args.air)
{
    // Whoever leaves last removes the file: then the one that was opened here is not the air any more.
    while (!enter()) {
    }
    try {
        check_fit(args);
        DeviceSlot* slot = std::find_if(std::begin(_header->devices), std::end(_header->devices),
            [](const DeviceSlot& s) { return s.used.load() == 0; });
        if (slot == std::end(_header->devices))
            throw uhd::runtime_error("simusrp: air '" + _name + "' has " + std::to_string(MAX_DEVICES)
                                     + " devices already, which is all it takes; use another air=.");
        slot->owner = this_process();
        slot->channels = static_cast<uint32_t>(args.channels);
        set_name(slot->name, args.name);
        slot->ppm = args.ppm;
        slot->initial[LIVE_PATH_LOSS_DB] = args.path_loss_db;
        slot->initial[LIVE_CFO_HZ] = args.cfo_hz;
        slot->initial[LIVE_NOISE_FIGURE_DB] = args.noise_figure_db;
        slot->change_count.store(0);
        slot->used.store(1);
        _device = static_cast<uint32_t>(slot - _header->devices);
    } catch (...) {
        unlock();
        throw;
    }
    unlock();
    OpenAirs& open = open_airs();
    const std::lock_guard<std::mutex> guard(open.mutex);
    open.airs.insert(this);
}

Air::~Air()
{
    close();
}

void Air::close()
{
    {
        OpenAirs& open = open_airs();
        const std::lock_guard<std::mutex> guard(open.mutex);
        open.airs.erase(this);
        // A forked child has the memory, but the device is its parent's.
        if (!_is_open || device().owner.pid != static_cast<uint32_t>(getpid()))
            return;
        _is_open = false;
    }
    for (TxSlot& slot : _header->tx)
        if (slot.device == _device && slot.owner.pid == device().owner.pid)
            leave(slot);
    for (RxSlot& slot : _header->rx)
        if (slot.device == _device && slot.owner.pid == device().owner.pid)
            slot.state.store(RX_FREE);
    try {
        lock();
        device().used.store(0);
        const bool somebody = release_dead();
        if (!somebody) {
            remove_rings(_name);
            remove_own(air_path(_name));
        }
        unlock();
    } catch (const uhd::exception&) {
        device().used.store(0); // the next opener clears the rest away
    }
    notify();
}

bool Air::enter()
{
    _file.open(air_path(_name), SharedFile::Open::EITHER);
    lock();
    if (!_file.is_linked()) {
        unlock();
        return false;
    }
    const bool fresh = _file.size() == 0;
    if (fresh)
        _file.reserve(sizeof(AirHeader));
    _header = static_cast<AirHeader*>(_file.map(sizeof(AirHeader)));
    const bool same_layout = _header && _header->magic == AIR_MAGIC && _header->layout_version == LAYOUT_VERSION
                             && _header->header_bytes == sizeof(AirHeader)
                             && _header->device_slot_bytes == sizeof(DeviceSlot)
                             && _header->tx_slot_bytes == sizeof(TxSlot) && _header->rx_slot_bytes == sizeof(RxSlot);
    if (!fresh && !same_layout && _header && _header->magic == 0) {
        start_over(); // its maker died while making it
        return true;
    }
    if (!fresh && !same_layout) {
        unlock();
        throw uhd::runtime_error("simusrp: air '" + _name
                                 + "' was made by another version of this module; end the programs that use it and run "
                                   "'sdr-sc simusrp clean'.");
    }
    if (fresh || !release_dead())
        start_over();
    return true;
}

void Air::start_over()
{
    remove_rings(_name);
    std::memset(static_cast<void*>(_header), 0, sizeof(AirHeader));
    _header->layout_version = LAYOUT_VERSION;
    _header->header_bytes = sizeof(AirHeader);
    _header->device_slot_bytes = sizeof(DeviceSlot);
    _header->tx_slot_bytes = sizeof(TxSlot);
    _header->rx_slot_bytes = sizeof(RxSlot);
    _header->epoch_ns = static_cast<uint64_t>(monotonic_now_ns());
    _header->pace = UINT32_MAX; // set by the first device
    std::atomic_thread_fence(std::memory_order_release);
    _header->magic = AIR_MAGIC;
}

void Air::check_fit(const DeviceArgs& args)
{
    if (_header->pace == UINT32_MAX)
        _header->pace = args.pace;
    if (_header->pace != args.pace)
        throw uhd::runtime_error("simusrp: air '" + _name + "' runs with pace=" + (is_step() ? "step" : "rt")
                                 + "; open all devices on it with that pace, or use another air=.");
    for (const DeviceSlot& slot : _header->devices)
        if (slot.used.load() && args.name == name_of(slot.name))
            throw uhd::runtime_error("simusrp: device '" + args.name + "' on air '" + _name + "' is in use by process "
                                     + std::to_string(slot.owner.pid) + "; give this one another name=.");
}

void Air::lock()
{
    _lock_mutex.lock();
    // flock() itself would wait for ever for a holder that is stopped.
    const int64_t end = monotonic_now_ns() + static_cast<int64_t>(LOCK_LIMIT_S * 1e9);
    while (!_file.try_lock()) {
        if (monotonic_now_ns() > end) {
            _lock_mutex.unlock();
            throw uhd::runtime_error("simusrp: air '" + _name + "' has been locked for "
                                     + std::to_string(static_cast<int>(LOCK_LIMIT_S))
                                     + " s by another process; end it, or use another air=.");
        }
        sleep_ns(500000);
    }
}

void Air::unlock()
{
    _file.unlock();
    _lock_mutex.unlock();
}

/// Frees the slots of dead processes. \return true if some device is alive
bool Air::release_dead()
{
    bury_dead();
    bool somebody = false;
    for (DeviceSlot& slot : _header->devices) {
        if (slot.used.load() && !is_alive(slot.owner))
            slot.used.store(0);
        somebody = somebody || slot.used.load() != 0;
    }
    return somebody;
}

} // namespace simusrp
