// SPDX-License-Identifier: GPL-3.0-or-later
// What the shared memory of an air looks like. sdr_sc/simusrp/layout.py mirrors it; change LAYOUT_VERSION with it.
//
// Files in /dev/shm, with <base> = sdr_sc-simusrp-<uid>-<air>:
//   <base>                 AirHeader: who is there, and where each one is in time
//   <base>.ring-<serial>   RingHeader and the samples of one channel of a transmitter
//
// Registry entries change under flock() on <base>, which the kernel releases when a process dies. The fields that
// streams change all the time are atomics. Indices of samples count from the air's beginning on the clock of the
// device that they belong to.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace simusrp {

constexpr uint64_t AIR_MAGIC = 0x3152494150525553ull; // "SURPAIR1"
constexpr uint32_t LAYOUT_VERSION = 2;
constexpr size_t NAME_BYTES = 64;
constexpr size_t MAX_DEVICES = 32;
constexpr size_t MAX_STREAMS = 64;
constexpr size_t MAX_CHANGES = 64;

enum Pace : uint32_t { PACE_RT = 0, PACE_STEP = 1 };

/// Who owns a slot. A process is the same only if its start time is: pids come back.
struct Owner {
    uint32_t pid;
    uint32_t pid_namespace; // inode of /proc/self/ns/pid: a pid is one within it alone
    uint64_t start_ticks; // field 22 of /proc/<pid>/stat
};

/// What can be changed while a device runs.
enum LiveKey : uint32_t { LIVE_PATH_LOSS_DB = 0, LIVE_CFO_HZ = 1, LIVE_NOISE_FIGURE_DB = 2, LIVE_KEYS = 3 };

/// A change of a live value at a moment of the air.
struct Change {
    int64_t at_ps;
    double value;
    uint32_t key;
    uint32_t unused;
};

struct DeviceSlot {
    std::atomic<uint32_t> used; // 0 or 1, written last
    uint32_t channels;
    Owner owner;
    char name[NAME_BYTES];
    double ppm;
    double initial[LIVE_KEYS];           // by LiveKey: the values before the first change
    std::atomic<uint32_t> change_count;  // changes written so far; number i is in changes[i % MAX_CHANGES]
    uint32_t unused;
    Change changes[MAX_CHANGES];
};

enum TxState : uint32_t {
    TX_FREE = 0,
    TX_ACTIVE = 1, // in step pace, time waits for it
    TX_IDLE = 2,   // between bursts with step_hold=0: time does not wait
    TX_LEFT = 3,   // closed or dead; its samples can still be read
};

struct TxSlot {
    std::atomic<uint32_t> state; // TxState
    uint32_t channel;
    uint32_t device;             // index of its DeviceSlot
    uint32_t is_first;           // 1 for the first channel of a streamer: only that one counts as a transmitter
    Owner owner;
    char name[NAME_BYTES];
    uint64_t serial;             // of the ring
    double rate_hz;              // nominal; the clock's ppm come on top
    double ppm;
    int64_t idle_samples;        // silence declared after an end of burst (step)
    std::atomic<int64_t> declared; // all samples below this index are known
    std::atomic<double> freq_hz; // for 'sdr-sc simusrp list'; receivers read the ring's RadioSetting
    std::atomic<double> gain_db;
};

enum RxState : uint32_t {
    RX_FREE = 0,
    RX_STOPPED = 1,   // time does not wait for it
    RX_STREAMING = 2, // in step pace, transmitters wait for it
};

struct RxSlot {
    std::atomic<uint32_t> state; // RxState
    uint32_t device;
    Owner owner;
    char name[NAME_BYTES];
    double rate_hz;
    double ppm;
    std::atomic<int64_t> claimed; // all samples below this index are delivered, or will be without another look
    std::atomic<double> freq_hz;
    std::atomic<double> gain_db;
};

struct AirHeader {
    uint64_t magic; // written last
    uint32_t layout_version;
    uint32_t header_bytes;
    uint32_t device_slot_bytes;
    uint32_t tx_slot_bytes;
    uint32_t rx_slot_bytes;
    uint32_t pace;
    uint64_t epoch_ns;            // CLOCK_MONOTONIC at the air's beginning (rt)
    std::atomic<int64_t> now_ps;  // how far time has come (step)
    std::atomic<uint64_t> next_serial;
    std::atomic<uint32_t> event;  // futex: counts whatever somebody may wait for
    std::atomic<uint32_t> waiters;
    DeviceSlot devices[MAX_DEVICES];
    TxSlot tx[MAX_STREAMS];
    RxSlot rx[MAX_STREAMS];
};

constexpr size_t MAX_BURSTS = 4096;
constexpr size_t MAX_SETTINGS = 64;
constexpr uint64_t RING_MAGIC = 0x31474e4952525553ull; // "SURRING1"

/// Samples start .. end - 1 of the transmitter, whose first one lies at place `position` of the endless tape that the
/// ring holds the end of. Outside of bursts the transmitter is silent.
struct Burst {
    std::atomic<int64_t> start;
    std::atomic<int64_t> end;
    std::atomic<int64_t> position;
};

/// Carrier and power from a sample on.
struct RadioSetting {
    std::atomic<int64_t> from;
    std::atomic<double> freq_hz;
    std::atomic<double> full_scale_dbm;
};

struct RingHeader {
    uint64_t magic;
    int64_t capacity;                     // samples of 2 x int16
    std::atomic<int64_t> reserved;        // tape below reserved - capacity may be overwritten
    std::atomic<uint64_t> burst_count;    // number i is in bursts[i % MAX_BURSTS]
    std::atomic<uint64_t> setting_count;  // likewise
    Burst bursts[MAX_BURSTS];
    RadioSetting settings[MAX_SETTINGS];
};

static_assert(std::atomic<int64_t>::is_always_lock_free && std::atomic<double>::is_always_lock_free,
    "atomics in shared memory must not need a lock");

} // namespace simusrp
