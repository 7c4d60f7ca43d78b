// SPDX-License-Identifier: GPL-3.0-or-later
// The device as UHD sees it.
#pragma once

#include "device_core.hpp"
#include <uhd/device.hpp>
#include <memory>

namespace simusrp {

class TxStreamer;

class Device : public uhd::device {
public:
    explicit Device(const uhd::device_addr_t& addr);
    ~Device() override;

    uhd::rx_streamer::sptr get_rx_stream(const uhd::stream_args_t& args) override;
    uhd::tx_streamer::sptr get_tx_stream(const uhd::stream_args_t& args) override;
    bool recv_async_msg(uhd::async_metadata_t& metadata, double timeout) override;

private:
    std::shared_ptr<DeviceCore> _core;
    std::weak_ptr<TxStreamer> _last_tx;
    std::vector<std::weak_ptr<uhd::rx_streamer>> _rx;
};

/// Fills the tree with what multi_usrp's path for devices without RFNoC reads and writes.
void build_tree(const std::shared_ptr<DeviceCore>& core, uhd::property_tree& tree,
    const std::function<void(size_t, const uhd::stream_cmd_t&)>& stream_command);

} // namespace simusrp
