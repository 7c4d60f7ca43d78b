// SPDX-License-Identifier: GPL-3.0-or-later
// What a program sends: bursts in time, with the errors that a real transmitter reports.
#pragma once

#include "async_queue.hpp"
#include "device_core.hpp"
#include "sample_format.hpp"
#include "waiting.hpp"
#include <uhd/stream.hpp>
#include <uhd/version.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace simusrp {

class TxStreamer : public uhd::tx_streamer {
public:
    TxStreamer(const std::shared_ptr<DeviceCore>& core, const uhd::stream_args_t& args);
    ~TxStreamer() override;

    size_t get_num_channels() const override { return _channels.size(); }
    size_t get_max_num_samps() const override { return _packet_samples; }
    size_t send(const buffs_type& buffs, const size_t samples, const uhd::tx_metadata_t& metadata,
        const double timeout) override;
    bool recv_async_msg(uhd::async_metadata_t& metadata, double timeout) override;
#if UHD_VERSION >= 4080000
    void post_output_action(const std::shared_ptr<uhd::rfnoc::action_info>&, const size_t) override {}
#endif

private:
    enum class Begin { OK, TIMEOUT, LATE };
    void open_rings();
    void close_rings();
    Begin begin_burst(const uhd::tx_metadata_t& metadata, const Deadline& deadline);
    void start_at(int64_t index);
    void end_burst();
    void declare(int64_t index);
    int64_t room();
    bool wait_for_room(const Deadline& deadline);
    bool wait_for_receivers(const Deadline& deadline);
    int64_t earliest() const;
    void look_at_the_clock();
    void report(uhd::async_metadata_t::event_code_t event, int64_t index, const char* letter);

    std::shared_ptr<DeviceCore> _core;
    const std::vector<size_t> _channels;
    const SampleFormat _format;
    const bool _drops_after_underflow;
    size_t _packet_samples;
    AsyncQueue _messages;

    std::mutex _mutex; // send() against recv_async_msg(), which looks at the clock as well
    SampleClock _clock;
    std::vector<std::shared_ptr<RingWriter>> _rings;
    std::vector<TxSlot*> _slots;
    std::vector<int16_t> _wire;
    bool _in_burst = false, _is_dropping = false, _met_receivers = false;
    std::optional<uhd::time_spec_t> _announced_time; // of a start of burst that came without samples
    int64_t _cursor = INT64_MIN;      // index of the next sample
    int64_t _burst_start = INT64_MIN; // of the burst that is being sent
    std::deque<int64_t> _ends;        // of bursts that are not acknowledged yet (rt)
};

} // namespace simusrp
