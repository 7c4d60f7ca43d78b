// SPDX-License-Identifier: GPL-3.0-or-later
#include "args.hpp"

#include "levels.hpp"
#include <uhd/exception.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

namespace simusrp {
namespace {

/// Keys of other parts of UHD, which may come with any device.
const std::set<std::string> FOREIGN_KEYS = {"type", "serial", "product", "recv_frame_size", "send_frame_size",
    "num_recv_frames", "num_send_frames", "recv_buff_size", "send_buff_size", "num_poll_recv", "subdev", "addr",
    "resource", "vid", "pid", "fpga", "fw", "mgmt_addr", "second_addr", "clock_source", "time_source", "otw",
    "enable_tx_dual_mboard", "tx_gain", "rx_gain", "spp", "init_cals", "skip_ddc", "skip_duc", "skip_dram",
    "buffers", "buflen", "nchan", "driver", "label", "find_all", "reclaim", "use_dpdk", "streamer_mode", "log_level"};

const char* const OWN_KEYS = "name, air, pace, channels, ppm, cfo_hz, path_loss_db, noise_figure_db, cross_loss_db, "
                             "taps, seed, self, master_clock_rate, tx_latency_ms, rx_latency_ms, tx_buffer_ms, "
                             "rx_buffer_ms, step_idle, step_peers, step_hold";

std::string shown(double value)
{
    std::ostringstream text;
    text << value;
    return text.str();
}

double number(const std::string& key, const std::string& text, double low, double high, const char* unit)
{
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !std::isfinite(value) || value < low || value > high)
        throw uhd::value_error("simusrp: " + key + "='" + text + "' does not fit; use a number from " + shown(low)
                               + " to " + shown(high) + (*unit ? std::string(" ") + unit : "") + ".");
    return value;
}

uint64_t whole(const std::string& key, const std::string& text, uint64_t low, uint64_t high)
{
    const bool digits = !text.empty() && text.size() <= 18
                        && std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= '0' && c <= '9'; });
    const uint64_t value = digits ? std::strtoull(text.c_str(), nullptr, 10) : 0;
    if (!digits || value < low || value > high)
        throw uhd::value_error("simusrp: " + key + "='" + text + "' does not fit; use a whole number from "
                               + std::to_string(low) + " to " + std::to_string(high) + ".");
    return value;
}

/// Becomes part of a file's name, so no slashes or dots.
std::string identifier(const std::string& key, const std::string& text)
{
    const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; };
    if (text.empty() || text.size() > 40 || !std::all_of(text.begin(), text.end(), fits))
        throw uhd::value_error(
            "simusrp: " + key + "='" + text + "' does not fit; use up to 40 letters, digits, '_' and '-'.");
    return text;
}

} // namespace

DeviceArgs DeviceArgs::parse(const uhd::device_addr_t& addr)
{
    DeviceArgs args;
    args.path_loss_db = PATH_LOSS_DB;
    args.noise_figure_db = NOISE_FIGURE_DB;
    if (addr.has_key("serial"))
        args.name = identifier("serial", addr["serial"]);
    for (const std::string& key : addr.keys()) {
        const std::string text = addr[key];
        if (key == "name") {
            args.name = identifier(key, text);
        } else if (key == "air") {
            args.air = identifier(key, text);
        } else if (key == "pace") {
            if (text != "rt" && text != "step")
                throw uhd::value_error("simusrp: pace='" + text + "' is unknown; use rt or step.");
            args.pace = text == "rt" ? PACE_RT : PACE_STEP;
        } else if (key == "channels") {
            args.channels = whole(key, text, 1, 2);
        } else if (key == "ppm") {
            args.ppm = number(key, text, -200, 200, "");
        } else if (key == "cfo_hz") {
            args.cfo_hz = number(key, text, -1e6, 1e6, "Hz");
        } else if (key == "path_loss_db") {
            args.path_loss_db = number(key, text, 0, 300, "dB");
        } else if (key == "noise_figure_db") {
            args.noise_figure_db = number(key, text, 0, 100, "dB");
        } else if (key == "cross_loss_db") {
            args.cross_loss_db = number(key, text, 0, 300, "dB");
        } else if (key == "taps") {
            args.taps_file = text;
        } else if (key == "seed") {
            args.seed = whole(key, text, 0, 999999999999999999ull);
        } else if (key == "self") {
            args.hears_itself = whole(key, text, 0, 1) == 1;
        } else if (key == "master_clock_rate") {
            args.master_clock_rate_hz = number(key, text, 5e6, 61.44e6, "Hz");
        } else if (key == "tx_latency_ms") {
            args.tx_latency_s = 1e-3 * number(key, text, 0, 1000, "ms");
        } else if (key == "rx_latency_ms") {
            args.rx_latency_s = 1e-3 * number(key, text, 0, 1000, "ms");
        } else if (key == "tx_buffer_ms") {
            args.tx_buffer_s = 1e-3 * number(key, text, 20, 500, "ms");
        } else if (key == "rx_buffer_ms") {
            args.rx_buffer_s = 1e-3 * number(key, text, 10, 500, "ms");
        } else if (key == "step_idle") {
            args.step_idle_s = number(key, text, 0, 10, "s");
        } else if (key == "step_peers") {
            args.step_peers = whole(key, text, 0, 16);
        } else if (key == "step_hold") {
            args.step_hold = whole(key, text, 0, 1) == 1;
        } else if (FOREIGN_KEYS.count(key) == 0) {
            throw uhd::key_error("simusrp: the argument '" + key + "' is unknown; its arguments are: " + OWN_KEYS + ".");
        }
    }
    return args;
}

std::vector<std::string> names_in_hint(const uhd::device_addr_t& hint)
{
    // Without type= a simulated device must not turn up beside, or instead of, the hardware that somebody looks for,
    // unless the environment asks for it.
    const char* listed = std::getenv("SDR_SC_SIMUSRP_NAMES");
    const bool meant = hint.has_key("type") ? hint["type"] == "simusrp" : listed && *listed;
    if (!meant || hint.has_key("addr") || hint.has_key("resource"))
        return {};
    std::vector<std::string> names;
    std::istringstream list(listed && *listed ? listed : "sim0");
    for (std::string name; std::getline(list, name, ',');)
        if (!name.empty())
            names.push_back(name);
    const std::string wanted = hint.get("serial", hint.get("name", ""));
    if (wanted.empty())
        return names;
    if (hint.has_key("type") || std::count(names.begin(), names.end(), wanted))
        return {wanted};
    return {};
}

} // namespace simusrp
