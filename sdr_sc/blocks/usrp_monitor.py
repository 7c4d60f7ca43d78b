# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what a USRP reports of its streams: underflows, late bursts, overflows."""

from __future__ import annotations

from collections import Counter

import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded_handler, guarded_start
from sdr_sc.blocks.runtime.lifetime import keep_until_exit

_PORT = pmt.intern("async_msgs")
FAULTS = {
    "underflow": "underflow: the host was too slow to send",
    "underflow_in_packet": "underflow: the host was too slow to send",
    "seq_error": "sequence error: a packet was lost on the way to the device",
    "seq_error_in_burst": "sequence error: a packet was lost on the way to the device",
    "time_error": "late burst: its send time was past",
    "overflow": "overflow: the host was too slow to receive",
}


class usrp_monitor(gr.basic_block):
    """Takes the asynchronous messages of a USRP sink or source.

    GNU Radio's own lines about them (U, L, O) are limited in rate, and so no count.

    Message input ``async_msgs``: pairs of ``uhd_async_msg`` and a dictionary with the list ``event_code``, from a sink,
    or the number ``overflows``, from a source.

    Attributes:
        counts: messages by code, such as ``burst_ack``, ``underflow``, ``time_error``, ``overflow``.
    """

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "sdr_sc_usrp_monitor", in_sig=None, out_sig=None)
        self.counts: Counter[str] = Counter()
        self.message_port_register_in(_PORT)
        self.set_msg_handler(_PORT, self.handle_message)
        self._kept = False

    @guarded_start
    def start(self) -> bool:
        if not self._kept:
            self._kept = True
            keep_until_exit(self)  # a sink's thread goes on to send while the flowgraph is taken apart
        return True

    @property
    def bursts_answered(self) -> int:
        """Bursts of a sink whose end is known: sent to their end, or dropped because they came late."""
        return self.counts["burst_ack"] + self.counts["time_error"]

    @property
    def faults(self) -> dict[str, int]:
        """Counts of what must not be, in words."""
        found: Counter[str] = Counter()
        for code, words in FAULTS.items():
            if self.counts[code]:
                found[words] += self.counts[code]
        return dict(found)

    @guarded_handler
    def handle_message(self, message: pmt.pmt_base) -> None:
        """Count one."""
        self.counts.update(_codes(message))


def _codes(message: pmt.pmt_base) -> dict[str, int] | list[str]:
    if not (pmt.is_pair(message) and pmt.is_dict(pmt.cdr(message))):
        return ["unknown"]
    overflows = pmt.dict_ref(pmt.cdr(message), pmt.intern("overflows"), pmt.PMT_NIL)
    if pmt.is_number(overflows):  # of a source, which adds them up for a while
        return {"overflow": int(pmt.to_python(overflows))}
    listed, codes = pmt.dict_ref(pmt.cdr(message), pmt.intern("event_code"), pmt.PMT_NIL), []
    while pmt.is_pair(listed):
        codes.append(str(pmt.car(listed)))
        listed = pmt.cdr(listed)
    return codes or ["unknown"]
