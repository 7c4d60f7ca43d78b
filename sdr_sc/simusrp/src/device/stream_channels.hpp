// SPDX-License-Identifier: GPL-3.0-or-later
// Channels of a streamer.
#pragma once

#include <uhd/exception.hpp>
#include <uhd/stream.hpp>
#include <algorithm>
#include <string>
#include <vector>

namespace simusrp {

/// Channel numbers that stream arguments ask for; channel 0 if they do not say.
/// \throws uhd::index_error: a channel that the device does not have, or one twice
inline std::vector<size_t> checked_channels(const uhd::stream_args_t& args, size_t available)
{
    const std::vector<size_t> channels = args.channels.empty() ? std::vector<size_t>{0} : args.channels;
    for (const size_t channel : channels)
        if (channel >= available || std::count(channels.begin(), channels.end(), channel) > 1)
            throw uhd::index_error("simusrp: channel " + std::to_string(channel)
                                   + " does not exist, or is asked for twice; the device has " + std::to_string(available)
                                   + " (argument channels=).");
    return channels;
}

} // namespace simusrp
