// SPDX-License-Identifier: GPL-3.0-or-later
// One channel of a receiver: from what all transmitters put on the air to the samples of the ADC.
#pragma once

#include "device_core.hpp"
#include "resampler.hpp"
#include "ring.hpp"
#include <array>
#include <complex>
#include <memory>
#include <vector>

namespace simusrp {

class ReceivePath {
public:
    ReceivePath(const std::shared_ptr<DeviceCore>& core, size_t channel, const SampleClock& clock);

    /// What the ADC gives for samples first .. first + count - 1: interleaved I and Q, 12 bits in the upper part of 16.
    /// A pure function of the samples' indices and what is on the air.
    void render(int64_t first, size_t count, int16_t* out);

    /// Step pace: all samples below the returned index are known, seen from `first` on; INT64_MIN if nobody ever was
    /// on the air.
    int64_t known_until(int64_t first);

private:
    /// How a transmitter's band meets ours.
    struct Link {
        bool is_silent = false;
        bool is_direct = false; // sample for sample
        double premix_hz = 0.0, postmix_hz = 0.0;
        std::shared_ptr<const Interpolator> filter;
    };
    struct Source {
        uint64_t serial = 0;
        bool is_known = false, is_open = false; // a ring that is not there does not come later
        RingReader ring;
        SampleClock clock;
        std::unique_ptr<ClockRatio> ratio;
    };
    Source* source(size_t slot);
    Link link(const Source& source, const TxSlot& slot, double tx_freq_hz, double rx_freq_hz, double cfo_hz);
    void add_transmitter(const TxSlot& slot, Source& source, const RxSetting& setting, double cfo_hz, int64_t first,
        size_t count, std::complex<float>* out);
    void receive(const RxSetting& setting, double cfo_hz, int64_t first, size_t count, std::complex<float>* out);

    std::shared_ptr<DeviceCore> _core;
    const size_t _channel;
    const SampleClock _clock;
    const uint64_t _seed;
    std::array<Source, MAX_STREAMS> _sources;
    std::vector<std::complex<float>> _signal, _filtered, _scratch, _resampled;
    int64_t _signal_end = INT64_MIN; // index after the history kept in _signal
    bool _has_warned = false;
};

} // namespace simusrp
