// SPDX-License-Identifier: GPL-3.0-or-later
#include "shared_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <uhd/exception.hpp>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <utility>

namespace simusrp {
namespace {

const std::string FOLDER = "/dev/shm/";

[[noreturn]] void fail(const std::string& path, const std::string& what, int error)
{
    throw uhd::os_error("simusrp: " + path + " cannot be " + what + ": " + std::strerror(error) + ".");
}

[[noreturn]] void refuse(const std::string& path, const std::string& reason)
{
    throw uhd::os_error("simusrp: " + path + " is not used, because " + reason + "; remove it, or use another air=.");
}

/// Whoever may write the file decides what this process reads, and ends it by making the file shorter.
void check_own(const std::string& path, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        fail(path, "looked at", errno);
    if (!S_ISREG(status.st_mode))
        refuse(path, "it is no regular file");
    if (status.st_uid != geteuid())
        refuse(path, "it belongs to user " + std::to_string(status.st_uid) + ", not to user " + std::to_string(geteuid()));
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        refuse(path, "other users have rights on it");
}

} // namespace

SharedFile::~SharedFile()
{
    reset();
}

SharedFile::SharedFile(SharedFile&& other) noexcept
{
    *this = std::move(other);
}

SharedFile& SharedFile::operator=(SharedFile&& other) noexcept
{
    std::swap(_fd, other._fd);
    std::swap(_memory, other._memory);
    std::swap(_bytes, other._bytes);
    std::swap(_path, other._path);
    return *this;
}

void SharedFile::reset()
{
    if (_memory)
        munmap(_memory, _bytes);
    if (_fd >= 0)
        close(_fd);
    _memory = nullptr;
    _fd = -1;
}

bool SharedFile::open(const std::string& path, Open how)
{
    reset();
    _path = path;
    constexpr int FLAGS = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    while (_fd < 0) {
        if (how != Open::NEW)
            _fd = ::open(path.c_str(), FLAGS);
        if (_fd < 0 && how == Open::EXISTING && errno == ENOENT)
            return false;
        if (_fd < 0 && (how == Open::NEW || (how == Open::EITHER && errno == ENOENT))) {
            _fd = ::open(path.c_str(), FLAGS | O_CREAT | O_EXCL, 0600);
            if (_fd < 0 && how == Open::EITHER && errno == EEXIST)
                continue; // somebody was quicker
        }
        if (_fd < 0 && errno == EACCES)
            refuse(path, "it is another user's");
        if (_fd < 0 && errno == EEXIST)
            refuse(path, "another program has made it");
        if (_fd < 0 && errno == ELOOP)
            refuse(path, "it is a link");
        if (_fd < 0)
            fail(path, "opened", errno);
    }
    check_own(path, _fd);
    return true;
}

void SharedFile::reserve(size_t bytes)
{
    if (ftruncate(_fd, static_cast<off_t>(bytes)) != 0)
        fail(_path, "given its size", errno);
    const int error = posix_fallocate(_fd, 0, static_cast<off_t>(bytes));
    if (error == ENOSPC || error == ENOMEM)
        throw uhd::os_error("simusrp: /dev/shm has no room for " + std::to_string(bytes >> 20)
                            + " MiB; run 'sdr-sc simusrp clean', make /dev/shm larger, or use a lower sample rate.");
    if (error != 0)
        fail(_path, "given its size", error);
}

void* SharedFile::map(size_t bytes)
{
    if (size() != bytes)
        return nullptr;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, _fd, 0);
    if (memory == MAP_FAILED)
        fail(_path, "mapped", errno);
    if (_memory)
        munmap(_memory, _bytes);
    _memory = memory;
    _bytes = bytes;
    return memory;
}

bool SharedFile::is_linked() const
{
    struct stat status;
    return fstat(_fd, &status) == 0 && status.st_nlink > 0;
}

size_t SharedFile::size() const
{
    struct stat status;
    return fstat(_fd, &status) == 0 ? static_cast<size_t>(status.st_size) : 0;
}

bool SharedFile::try_lock() const
{
    return flock(_fd, LOCK_EX | LOCK_NB) == 0;
}

void SharedFile::unlock() const
{
    flock(_fd, LOCK_UN);
}

std::string air_path(const std::string& air)
{
    return FOLDER + "sdr_sc-simusrp-" + std::to_string(geteuid()) + "-" + air;
}

std::string ring_path(const std::string& air, unsigned long serial)
{
    return air_path(air) + ".ring-" + std::to_string(serial);
}

void remove_own(const std::string& path)
{
    struct stat status;
    if (lstat(path.c_str(), &status) == 0 && status.st_uid == geteuid())
        unlink(path.c_str());
}

void remove_rings(const std::string& air)
{
    const std::string prefix = air_path(air).substr(FOLDER.size()) + ".ring-";
    DIR* folder = opendir(FOLDER.c_str());
    if (!folder)
        return;
    while (const dirent* entry = readdir(folder))
        if (std::strncmp(entry->d_name, prefix.c_str(), prefix.size()) == 0)
            remove_own(FOLDER + entry->d_name);
    closedir(folder);
}

} // namespace simusrp
