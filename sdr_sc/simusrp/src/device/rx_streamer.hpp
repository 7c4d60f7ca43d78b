// SPDX-License-Identifier: GPL-3.0-or-later
// What a program receives: stream commands, waiting for time to come, and the errors that a real receiver reports.
#pragma once

#include "device_core.hpp"
#include "receive_path.hpp"
#include "sample_format.hpp"
#include "waiting.hpp"
#include <uhd/stream.hpp>
#include <uhd/version.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace simusrp {

class RxStreamer : public uhd::rx_streamer {
public:
    RxStreamer(const std::shared_ptr<DeviceCore>& core, const uhd::stream_args_t& args);
    ~RxStreamer() override;

    size_t get_num_channels() const override { return _channels.size(); }
    size_t get_max_num_samps() const override { return _packet_samples; }
    size_t recv(const buffs_type& buffs, const size_t samples, uhd::rx_metadata_t& metadata, const double timeout,
        const bool one_packet) override;
    void issue_stream_cmd(const uhd::stream_cmd_t& command) override;
#if UHD_VERSION >= 4080000
    void post_input_action(const std::shared_ptr<uhd::rfnoc::action_info>&, const size_t) override {}
#endif

private:
    enum class Wait { OK, TIMEOUT, OVERFLOW_, CHANGED };
    struct Run {
        bool is_active = false;
        bool is_continuous = false;
        bool is_chained = false; // another command has to follow
        bool is_first = false;
        int64_t next = 0;
        int64_t end = INT64_MAX;
    };
    void prepare(double rate_hz);
    void start(const uhd::stream_cmd_t& command);
    void set_state(RxState state);
    bool next_command();
    Wait wait_for(int64_t from, size_t& count, const Deadline& deadline);
    Wait wait_rt(int64_t from, size_t count, const Deadline& deadline);
    Wait wait_step(int64_t from, size_t& count, const Deadline& deadline);
    bool met_transmitters();
    void finish_part(size_t count);
    size_t fail(uhd::rx_metadata_t& metadata, uhd::rx_metadata_t::error_code_t error, int64_t index);
    int64_t packet_limit(double rate_hz) const;

    std::shared_ptr<DeviceCore> _core;
    const std::vector<size_t> _channels;
    const SampleFormat _format;
    const size_t _wanted_packet;
    size_t _packet_samples;

    std::mutex _mutex; // commands come from other threads than recv()
    SampleClock _clock;
    std::vector<std::unique_ptr<ReceivePath>> _paths;
    RxSlot* _slot = nullptr;
    Run _run;
    std::deque<uhd::stream_cmd_t> _commands;
    std::deque<std::pair<uhd::rx_metadata_t::error_code_t, int64_t>> _errors;
    std::vector<int16_t> _wire;
    bool _met_transmitters = false;
    uint64_t _command_number = 0;
};

} // namespace simusrp
