// SPDX-License-Identifier: GPL-3.0-or-later
#include "device.hpp"

#include "rx_streamer.hpp"
#include "tx_streamer.hpp"
#include <uhd/utils/log.hpp>
#include <thread>

namespace simusrp {

Device::Device(const uhd::device_addr_t& addr) : _core(std::make_shared<DeviceCore>(DeviceArgs::parse(addr)))
{
    _type = uhd::device::USRP;
    _tree = uhd::property_tree::make();
    _rx.resize(_core->args.channels);
    build_tree(_core, *_tree, [this](size_t channel, const uhd::stream_cmd_t& command) {
        if (const auto streamer = _rx.at(channel).lock())
            streamer->issue_stream_cmd(command);
    });
    UHD_LOG_INFO("SIMUSRP", "simulated USRP '" << _core->args.name << "' on air '" << _core->args.air << "', "
                                               << (_core->air.is_step() ? "step" : "real-time") << " pace");
}

Device::~Device() = default;

uhd::rx_streamer::sptr Device::get_rx_stream(const uhd::stream_args_t& args)
{
    const auto streamer = std::make_shared<RxStreamer>(_core, args);
    for (const size_t channel : args.channels.empty() ? std::vector<size_t>{0} : args.channels)
        _rx.at(channel) = streamer;
    return streamer;
}

uhd::tx_streamer::sptr Device::get_tx_stream(const uhd::stream_args_t& args)
{
    const auto streamer = std::make_shared<TxStreamer>(_core, args);
    _last_tx = streamer;
    return streamer;
}

bool Device::recv_async_msg(uhd::async_metadata_t& metadata, double timeout)
{
    if (const auto streamer = _last_tx.lock())
        return streamer->recv_async_msg(metadata, timeout);
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(std::max(timeout, 0.0), 1.0)));
    return false;
}

} // namespace simusrp
