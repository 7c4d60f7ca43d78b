// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the process that owns something in shared memory still lives.
#pragma once

#include "air_layout.hpp"

namespace simusrp {

/// This process.
Owner this_process();

/// False if the process has gone, is a zombie, or its pid is another process's now. One of another pid namespace (a
/// container that shares /dev/shm) cannot be seen, and counts as alive.
bool is_alive(const Owner& owner);

} // namespace simusrp
