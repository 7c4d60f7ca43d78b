// SPDX-License-Identifier: GPL-3.0-or-later
// A file in /dev/shm, mapped.
#pragma once

#include <cstddef>
#include <string>

namespace simusrp {

/// Owns a descriptor and, once mapped, the mapping.
class SharedFile {
public:
    SharedFile() = default;
    ~SharedFile();
    SharedFile(SharedFile&& other) noexcept;
    SharedFile& operator=(SharedFile&& other) noexcept;
    SharedFile(const SharedFile&) = delete;
    SharedFile& operator=(const SharedFile&) = delete;

    enum class Open { EXISTING, EITHER, NEW };

    /// Opens a file of this user alone: a link, a file of somebody else, or one that others may use is refused.
    /// \return false if the file is not there and has to be
    /// \throws uhd::os_error
    bool open(const std::string& path, Open how);

    /// Gives the file its size, with memory behind all of it: a full /dev/shm shows here and not as SIGBUS later.
    /// \throws uhd::os_error
    void reserve(size_t bytes);

    /// \return nullptr if the file has another size
    /// \throws uhd::os_error
    void* map(size_t bytes);

    /// True if the file still has its name.
    bool is_linked() const;
    size_t size() const;
    bool try_lock() const;
    void unlock() const;

private:
    void reset();
    int _fd = -1;
    void* _memory = nullptr;
    size_t _bytes = 0;
    std::string _path;
};

/// Path of an air's main file.
std::string air_path(const std::string& air);
std::string ring_path(const std::string& air, unsigned long serial);

/// Removes a file if it is this user's.
void remove_own(const std::string& path);

/// Removes all rings of an air.
void remove_rings(const std::string& air);

} // namespace simusrp
