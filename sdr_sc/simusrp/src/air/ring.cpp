// SPDX-License-Identifier: GPL-3.0-or-later
#include "ring.hpp"

#include "fast_math.hpp"
#include <algorithm>
#include <cstring>

namespace simusrp {
namespace {

size_t ring_bytes(int64_t capacity)
{
    return sizeof(RingHeader) + static_cast<size_t>(capacity) * 2 * sizeof(int16_t);
}

SIMUSRP_VECTOR
void scale(const int16_t* in, size_t count, float gain, float* out)
{
    for (size_t n = 0; n < count; ++n)
        out[n] = gain * static_cast<float>(in[n]);
}

} // namespace

RingWriter::RingWriter(const std::string& air, uint64_t serial, int64_t capacity) : _capacity(capacity)
{
    remove_own(ring_path(air, serial)); // serials are not given twice: what has this name is litter
    _file.open(ring_path(air, serial), SharedFile::Open::NEW);
    _file.reserve(ring_bytes(capacity));
    _header = static_cast<RingHeader*>(_file.map(ring_bytes(capacity)));
    std::memset(static_cast<void*>(_header), 0, sizeof(RingHeader));
    _header->capacity = capacity;
    _samples = reinterpret_cast<int16_t*>(_header + 1);
    std::atomic_thread_fence(std::memory_order_release);
    _header->magic = RING_MAGIC;
}

void RingWriter::begin_burst(int64_t start)
{
    const uint64_t number = _header->burst_count.load();
    _burst = &_header->bursts[number % MAX_BURSTS];
    _burst->start.store(start);
    _burst->end.store(start);
    _burst->position.store(_written);
    _header->burst_count.store(number + 1);
    _end = start;
}

void RingWriter::append(const int16_t* samples, size_t count)
{
    while (count > 0) {
        const int64_t place = _written % _capacity;
        const size_t part = std::min(count, static_cast<size_t>(_capacity - place));
        _header->reserved.store(_written + static_cast<int64_t>(part));
        std::atomic_thread_fence(std::memory_order_seq_cst); // readers see the reservation before any new sample
        std::memcpy(_samples + 2 * place, samples, part * 2 * sizeof(int16_t));
        _written += static_cast<int64_t>(part);
        _end += static_cast<int64_t>(part);
        _burst->end.store(_end, std::memory_order_release);
        samples += 2 * part;
        count -= part;
    }
}

void RingWriter::set_radio(int64_t from, double freq_hz, double full_scale_dbm)
{
    const std::lock_guard<std::mutex> guard(_settings_mutex);
    const uint64_t number = _header->setting_count.load();
    if (number > 0) // settings stay in order
        from = std::max(from, _header->settings[(number - 1) % MAX_SETTINGS].from.load());
    RadioSetting& setting = _header->settings[number % MAX_SETTINGS];
    setting.from.store(from);
    setting.freq_hz.store(freq_hz);
    setting.full_scale_dbm.store(full_scale_dbm);
    _header->setting_count.store(number + 1);
}

bool RingReader::open(const std::string& air, uint64_t serial)
{
    if (!_file.open(ring_path(air, serial), SharedFile::Open::EXISTING))
        return false;
    const size_t bytes = _file.size(), sample_bytes = 2 * sizeof(int16_t);
    if (bytes < sizeof(RingHeader) + sample_bytes || (bytes - sizeof(RingHeader)) % sample_bytes != 0)
        return false;
    _header = static_cast<RingHeader*>(_file.map(bytes));
    _capacity = static_cast<int64_t>((bytes - sizeof(RingHeader)) / sample_bytes);
    if (!_header || _header->magic != RING_MAGIC || _header->capacity != _capacity)
        return false;
    _samples = reinterpret_cast<const int16_t*>(_header + 1);
    return true;
}

std::vector<RadioPiece> RingReader::pieces(int64_t first, int64_t end) const
{
    std::vector<RadioPiece> found;
    const uint64_t count = _header->setting_count.load();
    const uint64_t oldest = count > MAX_SETTINGS - 1 ? count - (MAX_SETTINGS - 1) : 0;
    int64_t to = end;
    for (uint64_t number = count; number-- > oldest && to > first;) {
        const RadioSetting& setting = _header->settings[number % MAX_SETTINGS];
        const int64_t from = number == oldest ? INT64_MIN : setting.from.load();
        if (from >= to)
            continue;
        found.push_back({std::max(from, first), to, setting.freq_hz.load(), setting.full_scale_dbm.load()});
        to = from;
    }
    std::reverse(found.begin(), found.end());
    return found;
}

bool RingReader::read(int64_t first, size_t count, float gain, std::complex<float>* out) const
{
    std::fill_n(out, count, std::complex<float>(0.0f, 0.0f));
    const int64_t stop = first + static_cast<int64_t>(count), capacity = _capacity;
    const uint64_t bursts = _header->burst_count.load();
    const uint64_t oldest = bursts > MAX_BURSTS - 1 ? bursts - (MAX_BURSTS - 1) : 0;
    bool any = false;
    // Newest first: what is read is hardly ever far behind what is written.
    for (uint64_t number = bursts; number-- > oldest;) {
        const Burst& burst = _header->bursts[number % MAX_BURSTS];
        const int64_t start = burst.start.load(), position = burst.position.load();
        const int64_t end = burst.end.load(std::memory_order_acquire);
        if (_header->burst_count.load() > number + MAX_BURSTS - 1)
            break; // this entry is being used again
        if (end <= first)
            break;
        const int64_t from = std::max(start, first), to = std::min(end, stop);
        for (int64_t n = from; n < to;) {
            const int64_t tape = position + (n - start);
            if (position < 0 || tape < 0) // no writer of ours
                break;
            const int64_t part = std::min(to - n, capacity - tape % capacity);
            float* target = reinterpret_cast<float*>(out + (n - first));
            scale(_samples + 2 * (tape % capacity), 2 * static_cast<size_t>(part), gain, target);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (_header->reserved.load() - capacity > tape) // too slow: it was overwritten while it was read
                std::fill_n(target, 2 * part, 0.0f);
            else
                any = true;
            n += part;
        }
    }
    return any;
}

} // namespace simusrp
