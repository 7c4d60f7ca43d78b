// SPDX-License-Identifier: GPL-3.0-or-later
// Deadlines, and waits that end when the calling thread is asked to stop.
#pragma once

#include <cstdint>
#include <ctime>

// GNU Radio stops a flowgraph by interrupting its boost threads. libuhd brings boost_thread along; the weak declaration
// asks it without a build dependency on its headers and version.
namespace boost { namespace this_thread {
bool interruption_requested() noexcept __attribute__((weak));
}} // namespace boost::this_thread

namespace simusrp {

inline bool is_interrupted()
{
    return boost::this_thread::interruption_requested && boost::this_thread::interruption_requested();
}

inline int64_t monotonic_now_ns()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

inline void sleep_ns(int64_t ns)
{
    const timespec time{ns / 1000000000ll, ns % 1000000000ll};
    nanosleep(&time, nullptr);
}

class Deadline {
public:
    explicit Deadline(double seconds)
        : _end_ns(monotonic_now_ns() + static_cast<int64_t>(1e9 * (seconds < 0 ? 0 : seconds > 1e6 ? 1e6 : seconds)))
    {
    }
    int64_t left_ns() const
    {
        const int64_t left = _end_ns - monotonic_now_ns();
        return left > 0 ? left : 0;
    }
    bool is_over() const { return left_ns() == 0 || is_interrupted(); }

private:
    int64_t _end_ns;
};

} // namespace simusrp
