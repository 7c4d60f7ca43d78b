// SPDX-License-Identifier: GPL-3.0-or-later
#include "device.hpp"
#include "levels.hpp"
#include <uhd/types/ranges.hpp>
#include <uhd/types/sensors.hpp>
#include <uhd/types/stream_cmd.hpp>
#include <uhd/usrp/dboard_eeprom.hpp>
#include <uhd/usrp/mboard_eeprom.hpp>
#include <uhd/usrp/subdev_spec.hpp>
#include <uhd/exception.hpp>
#include <algorithm>

namespace simusrp {
namespace {

using uhd::fs_path;
using uhd::meta_range_t;
using uhd::sensor_value_t;
using uhd::usrp::subdev_spec_t;
using strings = std::vector<std::string>;

constexpr double LOWEST_HZ = 70e6, HIGHEST_HZ = 6e9, LOWEST_BANDWIDTH_HZ = 200e3, HIGHEST_BANDWIDTH_HZ = 56e6;
constexpr double HIGHEST_RATE_HZ = 61.44e6, LOWEST_RATE_HZ = 62.5e3;
const char* const FRONTENDS[] = {"A", "B"};

void add_choice(uhd::property_tree& tree, const fs_path& path, const strings& options, const std::string& value,
    const std::string& what)
{
    tree.create<strings>(path / "options").set(options);
    tree.create<std::string>(path / "value")
        .set_coercer([options, what](const std::string& wanted) {
            if (std::count(options.begin(), options.end(), wanted) == 0) {
                std::string listed;
                for (const auto& option : options)
                    listed += (listed.empty() ? "" : ", ") + option;
                throw uhd::value_error("simusrp: " + what + " '" + wanted + "' is unknown; use one of " + listed + ".");
            }
            return wanted;
        })
        .set(value);
}

meta_range_t rates(const DeviceCore& core)
{
    if (core.args.master_clock_rate_hz == 0.0)
        return meta_range_t(LOWEST_RATE_HZ, HIGHEST_RATE_HZ);
    meta_range_t range;
    for (int divisor = 512; divisor >= 1; --divisor)
        range.push_back(uhd::range_t(core.args.master_clock_rate_hz / divisor));
    return range;
}

/// Clock that a device without a fixed master clock would choose: the largest multiple of the rate that it can make.
double master_clock(const DeviceCore& core, double rate_hz)
{
    return core.args.master_clock_rate_hz != 0.0 ? core.args.master_clock_rate_hz
                                                 : rate_hz * std::floor(HIGHEST_RATE_HZ / rate_hz * (1 + 1e-12));
}

/// Receiver and transmitter have the same nodes.
struct Direction {
    std::string name; // rx or tx
    double initial_gain_db, max_gain_db, gain_step_db;
    strings antennas;
    std::function<void(size_t, const std::function<void(ChannelSettings&)>&)> change;
};

void add_frontend(const std::shared_ptr<DeviceCore>& core, uhd::property_tree& tree, const Direction& side, size_t channel)
{
    const fs_path path =
        fs_path("/mboards/0/dboards/A") / (side.name + "_frontends") / std::string(FRONTENDS[channel]);
    tree.create<std::string>(path / "name").set("simusrp-" + side.name + std::to_string(channel));
    tree.create<std::string>(path / "connection").set("IQ");
    tree.create<bool>(path / "enabled").set(true);
    tree.create<bool>(path / "use_lo_offset").set(false);
    add_choice(tree, path / "antenna", side.antennas, side.antennas.back(), side.name + " antenna");
    tree.create<sensor_value_t>(path / "sensors" / "lo_locked").set(sensor_value_t("LO", true, "locked", "unlocked"));

    const meta_range_t gains(0.0, side.max_gain_db, side.gain_step_db), freqs(LOWEST_HZ, HIGHEST_HZ);
    const meta_range_t bandwidths(LOWEST_BANDWIDTH_HZ, HIGHEST_BANDWIDTH_HZ);
    tree.create<meta_range_t>(path / "gains" / "PGA" / "range").set(gains);
    tree.create<double>(path / "gains" / "PGA" / "value")
        .set_coercer([gains](double wanted) { return gains.clip(wanted, true); })
        .add_coerced_subscriber([change = side.change, channel](double gain_db) {
            change(channel, [gain_db](ChannelSettings& settings) { settings.gain_db = gain_db; });
        })
        .set(side.initial_gain_db);
    tree.create<meta_range_t>(path / "freq" / "range").set(freqs);
    tree.create<double>(path / "freq" / "value")
        .set_coercer([freqs](double wanted) { return freqs.clip(wanted); })
        .add_coerced_subscriber([change = side.change, channel](double rf_hz) {
            change(channel, [rf_hz](ChannelSettings& settings) { settings.rf_hz = rf_hz; });
        })
        .set(1e9);
    // The analogue filter is not simulated; programs may set it all the same.
    tree.create<meta_range_t>(path / "bandwidth" / "range").set(bandwidths);
    tree.create<double>(path / "bandwidth" / "value")
        .set_coercer([bandwidths](double wanted) { return bandwidths.clip(wanted); })
        .set(HIGHEST_BANDWIDTH_HZ);
    tree.create<bool>(path / "dc_offset" / "enable").set(true);
    tree.create<bool>(path / "iq_balance" / "enable").set(true);

    const fs_path dsp = fs_path("/mboards/0") / (side.name + "_dsps") / channel;
    tree.create<meta_range_t>(dsp / "rate" / "range").set(rates(*core));
    tree.create<double>(dsp / "rate" / "value")
        .set_coercer([core](double wanted) { return core->coerce_rate(wanted); })
        .add_coerced_subscriber([core, &tree, change = side.change, channel](double rate_hz) {
            change(channel, [rate_hz](ChannelSettings& settings) { settings.rate_hz = rate_hz; });
            tree.access<double>("/mboards/0/tick_rate").set_coerced(master_clock(*core, rate_hz));
        })
        .set(core->args.master_clock_rate_hz != 0.0 ? core->coerce_rate(1e6) : 1e6);
    const meta_range_t shifts(-HIGHEST_RATE_HZ / 2, HIGHEST_RATE_HZ / 2);
    tree.create<meta_range_t>(dsp / "freq" / "range").set(shifts);
    tree.create<double>(dsp / "freq" / "value")
        .set_coercer([shifts](double wanted) { return shifts.clip(wanted); })
        .add_coerced_subscriber([change = side.change, channel](double dsp_hz) {
            change(channel, [dsp_hz](ChannelSettings& settings) { settings.dsp_hz = dsp_hz; });
        })
        .set(0.0);
}

void add_subdev_spec(uhd::property_tree& tree, const std::string& name, size_t channels)
{
    tree.create<subdev_spec_t>("/mboards/0/" + name)
        .set_coercer([channels](const subdev_spec_t& spec) {
            for (const auto& pair : spec)
                if (pair.db_name != "A" || (pair.sd_name != "A" && (pair.sd_name != "B" || channels < 2)))
                    throw uhd::value_error("simusrp: there is no frontend '" + pair.db_name + ":" + pair.sd_name
                                           + "'; use " + (channels < 2 ? "A:A, or open it with channels=2" : "A:A A:B")
                                           + ".");
            return spec;
        })
        .set(subdev_spec_t(channels < 2 ? "A:A" : "A:A A:B"));
}

void add_time(const std::shared_ptr<DeviceCore>& core, uhd::property_tree& tree)
{
    const fs_path path = "/mboards/0";
    tree.create<double>(path / "tick_rate")
        .set_coercer([core](double wanted) {
            return core->args.master_clock_rate_hz != 0.0 ? core->args.master_clock_rate_hz
                                                          : std::clamp(wanted, 5e6, HIGHEST_RATE_HZ);
        })
        .add_coerced_subscriber([core](double rate_hz) { core->set_tick_rate(rate_hz); })
        .set(master_clock(*core, 1e6));
    tree.create<uhd::time_spec_t>(path / "time" / "now")
        .set_publisher([core] { return core->now(); })
        .add_coerced_subscriber([core](const uhd::time_spec_t& time) { core->set_now(time); });
    tree.create<uhd::time_spec_t>(path / "time" / "pps")
        .set_publisher([core] { return core->last_pps(); })
        .add_coerced_subscriber([core](const uhd::time_spec_t& time) { core->set_at_next_pps(time); });
    tree.create<uhd::time_spec_t>(path / "time" / "cmd").add_coerced_subscriber([core](const uhd::time_spec_t& time) {
        core->set_command_time(time);
    });
    add_choice(tree, path / "clock_source", {"internal", "external", "gpsdo"}, "internal", "clock source");
    add_choice(tree, path / "time_source", {"none", "internal", "external", "gpsdo"}, "internal", "time source");
    tree.create<bool>(path / "clock_source" / "output").set(false);
    tree.create<bool>(path / "time_source" / "output").set(false);
    tree.create<sensor_value_t>(path / "sensors" / "ref_locked").set(sensor_value_t("Ref", true, "locked", "unlocked"));
}

} // namespace

void build_tree(const std::shared_ptr<DeviceCore>& core, uhd::property_tree& tree,
    const std::function<void(size_t, const uhd::stream_cmd_t&)>& stream_command)
{
    const fs_path mboard = "/mboards/0";
    tree.create<std::string>("/name").set("Simulated USRP");
    tree.create<std::string>(mboard / "name").set("simusrp");
    tree.create<std::string>(mboard / "codename").set("simusrp");
    tree.create<std::string>(mboard / "fw_version").set("none");
    tree.create<std::string>(mboard / "fpga_version").set("none");
    uhd::usrp::mboard_eeprom_t mboard_eeprom;
    mboard_eeprom["name"] = core->args.name;
    mboard_eeprom["serial"] = core->args.name;
    mboard_eeprom["product"] = "simusrp";
    tree.create<uhd::usrp::mboard_eeprom_t>(mboard / "eeprom").set(mboard_eeprom);
    for (const char* name : {"rx_eeprom", "tx_eeprom", "gdb_eeprom"})
        tree.create<uhd::usrp::dboard_eeprom_t>(mboard / "dboards" / "A" / name).set(uhd::usrp::dboard_eeprom_t());
    for (const char* name : {"rx_codecs", "tx_codecs"}) {
        tree.create<std::string>(mboard / name / "A" / "name").set("simulated, 12 and 16 bits");
        tree.create<int>(mboard / name / "A" / "gains"); // none
    }
    add_time(core, tree);
    const Direction rx{"rx", RX_INITIAL_GAIN_DB, RX_MAX_GAIN_DB, RX_GAIN_STEP_DB, {"TX/RX", "RX2"},
        [core](size_t channel, const auto& change) { core->change_rx(channel, change); }};
    const Direction tx{"tx", TX_INITIAL_GAIN_DB, TX_MAX_GAIN_DB, TX_GAIN_STEP_DB, {"TX/RX"},
        [core](size_t channel, const auto& change) { core->change_tx(channel, change); }};
    for (size_t channel = 0; channel < core->args.channels; ++channel) {
        add_frontend(core, tree, rx, channel);
        add_frontend(core, tree, tx, channel);
        tree.create<uhd::stream_cmd_t>(mboard / "rx_dsps" / channel / "stream_cmd")
            .add_coerced_subscriber(
                [stream_command, channel](const uhd::stream_cmd_t& command) { stream_command(channel, command); });
    }
    add_subdev_spec(tree, "rx_subdev_spec", core->args.channels);
    add_subdev_spec(tree, "tx_subdev_spec", core->args.channels);
}

} // namespace simusrp
