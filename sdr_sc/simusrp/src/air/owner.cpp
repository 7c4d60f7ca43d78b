// SPDX-License-Identifier: GPL-3.0-or-later
#include "owner.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace simusrp {
namespace {

constexpr uint64_t UNKNOWN = UINT64_MAX;

/// Start time from /proc/<pid>/stat; 0 if there is no such process, or only what is left of one. UNKNOWN if the file is
/// there and cannot be read, such as for want of file handles.
uint64_t start_ticks(uint32_t pid)
{
    const std::string name = "/proc/" + std::to_string(pid) + "/stat";
    std::ifstream file(name);
    std::string line;
    if (!std::getline(file, line))
        return file.is_open() || access(name.c_str(), F_OK) != 0 ? 0 : UNKNOWN;
    // The second field, the program's name in parentheses, may hold anything.
    const size_t after_name = line.rfind(')');
    if (after_name == std::string::npos)
        return 0;
    std::istringstream fields(line.substr(after_name + 1));
    std::string field, state;
    fields >> state;
    if (state == "Z" || state == "X")
        return 0;
    for (int i = 4; i <= 22; ++i)
        fields >> field;
    return std::strtoull(field.c_str(), nullptr, 10);
}

/// Number of this process's pid namespace; 0 if /proc shows another one, or is not there.
uint32_t pid_namespace()
{
    static const uint32_t number = [] {
        char self[32] = {};
        struct stat status = {};
        if (readlink("/proc/self", self, sizeof self - 1) < 0 || std::to_string(getpid()) != self
            || stat("/proc/self/ns/pid", &status) != 0)
            return uint32_t{0};
        return static_cast<uint32_t>(status.st_ino);
    }();
    return number;
}

} // namespace

Owner this_process()
{
    const auto pid = static_cast<uint32_t>(getpid());
    return Owner{pid, pid_namespace(), start_ticks(pid)};
}

bool is_alive(const Owner& owner)
{
    if (pid_namespace() == 0 || owner.pid_namespace != pid_namespace())
        return true;
    if (owner.start_ticks == 0)
        return false;
    const uint64_t now = start_ticks(owner.pid);
    return now == owner.start_ticks || now == UNKNOWN;
}

} // namespace simusrp
