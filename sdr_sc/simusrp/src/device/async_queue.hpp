// SPDX-License-Identifier: GPL-3.0-or-later
// Messages from a transmitter to its program.
#pragma once

#include <uhd/types/metadata.hpp>
#include <deque>
#include <mutex>

namespace simusrp {

class AsyncQueue {
public:
    void push(uhd::async_metadata_t::event_code_t event, size_t channel, const uhd::time_spec_t& time)
    {
        uhd::async_metadata_t message{};
        message.channel = channel;
        message.has_time_spec = true;
        message.time_spec = time;
        message.event_code = event;
        const std::lock_guard<std::mutex> guard(_mutex);
        if (_messages.size() >= 1000) // nobody reads them
            _messages.pop_front();
        _messages.push_back(message);
    }

    bool pop(uhd::async_metadata_t& message)
    {
        const std::lock_guard<std::mutex> guard(_mutex);
        if (_messages.empty())
            return false;
        message = _messages.front();
        _messages.pop_front();
        return true;
    }

private:
    std::mutex _mutex;
    std::deque<uhd::async_metadata_t> _messages;
};

} // namespace simusrp
