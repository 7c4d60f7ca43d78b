// SPDX-License-Identifier: GPL-3.0-or-later
// What a device's property tree and its streamers share: settings and time.
#pragma once

#include "air.hpp"
#include "args.hpp"
#include "ring.hpp"
#include "sample_clock.hpp"
#include "taps.hpp"
#include <uhd/types/time_spec.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace simusrp {

struct ChannelSettings {
    double rf_hz = 1e9;
    double dsp_hz = 0.0;
    double gain_db = 0.0;
    double rate_hz = 1e6;
};

/// Receiver's carrier and gain from a moment of the air on.
struct RxSetting {
    int64_t at_ps;
    double freq_hz, gain_db;
};

class DeviceCore {
public:
    explicit DeviceCore(const DeviceArgs& device_args);

    const DeviceArgs args;
    const MultipathTaps taps;
    Air air;

    SampleClock clock(double rate_hz) const { return {rate_hz, args.ppm}; }

    // Settings, as the property tree writes them. A change is timed if a command time is set.
    void change_tx(size_t channel, const std::function<void(ChannelSettings&)>& change);
    void change_rx(size_t channel, const std::function<void(ChannelSettings&)>& change);
    ChannelSettings tx(size_t channel) const;
    ChannelSettings rx(size_t channel) const;
    double tx_freq_hz(size_t channel) const;
    double rx_freq_hz(size_t channel) const;
    /// The receiver's settings at a moment, and when the next ones begin.
    RxSetting rx_setting(size_t channel, int64_t now_ps, int64_t& until_ps) const;
    /// The transmitter's settings go to this ring from now on.
    void attach(size_t channel, const std::weak_ptr<RingWriter>& ring, const SampleClock& ring_clock);
    /// Nominal rate that comes closest to a wanted one.
    double coerce_rate(double rate_hz) const;

    // Time: the device's counter is the air's time on the device's clock, plus an offset.
    int64_t air_now_ps() const;
    int64_t now_index(const SampleClock& sample_clock) const;
    uhd::time_spec_t time_at(int64_t index, double rate_hz);
    int64_t index_at(const uhd::time_spec_t& time, double rate_hz);
    uhd::time_spec_t now();
    void set_now(const uhd::time_spec_t& time);
    void set_at_next_pps(const uhd::time_spec_t& time);
    uhd::time_spec_t last_pps();
    void set_tick_rate(double rate_hz) { _tick_rate_hz = rate_hz; }
    double tick_rate() const { return _tick_rate_hz; }
    void set_command_time(const uhd::time_spec_t& time);

    /// In step pace: time has come at least this far.
    void advance_to(int64_t time_ps);

private:
    struct AttachedRing {
        std::weak_ptr<RingWriter> ring;
        SampleClock clock;
    };
    uhd::time_spec_t offset();
    void write_radio(size_t channel, bool from_the_beginning);

    mutable std::mutex _mutex;
    std::vector<ChannelSettings> _tx, _rx;
    std::vector<std::vector<RxSetting>> _rx_log;
    std::vector<AttachedRing> _rings;
    std::optional<uhd::time_spec_t> _command_time;

    std::mutex _time_mutex;
    uhd::time_spec_t _offset;
    std::optional<std::pair<int64_t, uhd::time_spec_t>> _offset_at_pps; // moment of the air, offset from then on
    double _tick_rate_hz = 0.0;
    int64_t _opened_ns;
};

} // namespace simusrp
