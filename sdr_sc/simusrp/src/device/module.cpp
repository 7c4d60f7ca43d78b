// SPDX-License-Identifier: GPL-3.0-or-later
// libuhd loads this library from UHD_MODULE_PATH; it then knows devices of type=simusrp.
#include "args.hpp"
#include "device.hpp"
#include <uhd/device.hpp>
#include <uhd/utils/log.hpp>
#include <uhd/utils/static.hpp>
#include <uhd/version.hpp>

namespace {

uhd::device_addrs_t find(const uhd::device_addr_t& hint)
{
    uhd::device_addrs_t found;
    for (const std::string& name : simusrp::names_in_hint(hint)) {
        // libuhd keeps one device for each such address in a process: options must not be in it.
        uhd::device_addr_t addr;
        addr["type"] = "simusrp";
        addr["name"] = name;
        addr["serial"] = name;
        addr["product"] = "simusrp";
        addr["air"] = hint.get("air", "default");
        found.push_back(addr);
    }
    return found;
}

uhd::device::sptr make(const uhd::device_addr_t& addr)
{
    return std::make_shared<simusrp::Device>(addr);
}

} // namespace

UHD_STATIC_BLOCK(register_simusrp)
{
    // Its classes have other layouts in another libuhd: better no device than a crash.
    if (uhd::get_abi_string() != UHD_VERSION_ABI_STRING) {
        UHD_LOG_ERROR("SIMUSRP", "this module was built for libuhd " UHD_VERSION_ABI_STRING " and loaded by "
                                     << uhd::get_abi_string() << "; run 'sdr-sc simusrp build'.");
        return;
    }
    uhd::device::register_device(&find, &make, uhd::device::USRP);
}
