# SPDX-License-Identifier: GPL-3.0-or-later
"""Task sink: sets the answers against what was sent."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr

from sdr_sc.blocks.runtime.guard import guarded, guarded_handler, guarded_start, guarded_stop, guarded_thread, post_done
from sdr_sc.blocks.runtime.pdu import has_listener, make_pdu, read_pdu
from sdr_sc.blocks.runtime.refused import Refused
from sdr_sc.errors import BlockError
from sdr_sc.files import fix_for, write_whole
from sdr_sc.link.end_of_stream import SinkEnd, is_end
from sdr_sc.link.frames.base_answers import base_answers_of, base_meta
from sdr_sc.link.frames.frame_news import answered_questions, read_news
from sdr_sc.link.frames.frame_record import Answer, FrameRecord, Reception
from sdr_sc.link.frames.item_truth import ItemTargets, ItemTruth
from sdr_sc.link.frames.link_record import OPEN_FRAMES, TICK_S, LinkRecord
from sdr_sc.link.frames.task_answers import answers_meta, answers_of, entries_of, other_entries, targets_meta
from sdr_sc.link.parameters import require
from sdr_sc.phy.frame.header import FRAME_NUM_MODULO

_OUTPUTS = ("results", "snr_history", "k_history", "quality")
_RESULTS, _SNR_HISTORY, _K_HISTORY, _QUALITY = map(pmt.intern, _OUTPUTS)


class task_sink(gr.basic_block):
    """Counts right, wrong and lost items, and writes them down.

    Message input ``answers``: PDUs of the semantic decoder, with answers to further tasks, if it gives them, or of the
    block Knowledge Base. Message input ``sent``: PDUs of the semantic encoder, or ``told`` of the SigMF source, which
    are of many frames; may stay open with ``without_truth``.
    Message input ``truth``: PDUs of the item source (items, their labels, their targets of further tasks, and what they
    are asked) and of the simulated channel (the SNR that it set). From another host both come on one way, so either
    input takes what the other takes.
    Message output ``results``: a PDU for each answered frame: the items' bytes, with ``label``, ``answer`` and
    ``confidence``, the answers and targets of further tasks as `sdr_sc.link.frames.task_answers` writes them,
    ``modality`` and ``item_shape`` where the source says them, and ``question``, what the first item was asked, where a
    task answers questions. Message outputs ``snr_history`` (complex: SNR set, SNR estimated) and ``k_history``
    (float): PDUs of the latest frames, for plots. Message output ``quality``: a few times a second a PDU of the share
    of right answers over the latest items, float32, percent, lost items among them: a number for each figure of each
    task, whose names are in ``figures`` with commas between; ``frames`` have settled.

    Messages at ``sent`` and ``truth`` may come from another host: those that make no sense are counted and end nothing.

    Args:
        folder: for ``frames.csv``, ``items.csv`` and ``images.npz``, and for ``answers.csv``, the rows of further
            tasks, ``thumbnails.npz``, some of their pictures, and ``knowledge.csv``, what knowledge bases added, where
            there are any; '' writes nothing.
        history_frames: frames in the two history outputs.
        open_frames: a frame is lost when so many were sent after it; more where the news of what was sent runs ahead,
            as in a replay.
        without_truth: nobody says what was sent, or it does not count: every answer is taken down, none is right.

    Attributes:
        finished: set when no more frames will come, for flowgraphs whose source would go on for ever.
        answers_taken: answers that have come in.
        refused: messages that made no sense, by reason.

    Raises:
        BlockError: a parameter makes no sense, or the folder cannot be written.
    """

    def __init__(
        self,
        folder: str = "",
        history_frames: int = 200,
        open_frames: int = OPEN_FRAMES,
        without_truth: bool = False,
    ) -> None:
        gr.basic_block.__init__(self, "sdr_sc_task_sink", in_sig=None, out_sig=None)
        if history_frames < 1:
            raise BlockError(f"task sink: history_frames is {history_frames}; use 1 or more.")
        if not 1 <= open_frames < FRAME_NUM_MODULO // 2:
            raise BlockError(f"task sink: open_frames is {open_frames}; use 1 to {FRAME_NUM_MODULO // 2 - 1}.")
        self._folder = Path(folder) if folder else None
        try:
            self.record = LinkRecord(self._folder, history_frames, open_frames=open_frames)
        except OSError as error:
            raise BlockError(f"task sink: folder {folder!r} cannot be written ({error.strerror}).") from error
        self._without_truth = bool(without_truth)
        self.answers_taken = 0
        self.refused = Refused(self)
        self._item_bytes: int | None = None
        self._item_shape: tuple[int, ...] = ()
        self._modality = ""
        self._ticking: threading.Thread | None = None
        self._stopped = threading.Event()
        self._told = False
        self._end = SinkEnd(lambda: self.record.frames_open)
        self.finished = self._end.finished
        for port in ("answers", "sent", "truth"):
            self.message_port_register_in(pmt.intern(port))
        for port in (_RESULTS, _SNR_HISTORY, _K_HISTORY, _QUALITY):
            self.message_port_register_out(port)
        self._frames_shown = 0
        self.set_msg_handler(pmt.intern("answers"), self.handle_answers)
        self.set_msg_handler(pmt.intern("sent"), self.handle_sent)
        self.set_msg_handler(pmt.intern("truth"), self.handle_truth)
        self.set_msg_handler(pmt.intern("system"), self.handle_system)
        self._end_waits = False

    @property
    def ended(self) -> bool:
        """Whether no more frames will be sent."""
        return self._end.begun

    @guarded  # and called after an error as well
    def handle_system(self, message: pmt.pmt_base) -> None:
        """A block before this one has ended, and GNU Radio would end this one now: not while the decoder, which may be
        far behind the samples, still answers frames of a stream whose end is known."""
        self._end_waits = getattr(self, "error", None) is None and self._end.awaits
        if not self._end_waits:
            self.gateway.system_handler(message)

    @guarded_start
    def start(self) -> bool:
        self._stopped.clear()
        self._ticking = threading.Thread(target=self._tick, name="task_sink", daemon=True)
        self._ticking.start()
        return True

    @guarded_thread
    def _tick(self) -> None:
        while not self._stopped.wait(TICK_S):
            self.record.tick()
            self._publish_quality()
            if self._end_waits and not self._end.awaits:
                self._end_waits = False
                post_done(self)

    @guarded_handler
    def handle_sent(self, message: pmt.pmt_base) -> None:
        """Take note of a frame that was sent, or of the end."""
        self._take_news(message, "sent")

    def _take_news(self, message: pmt.pmt_base, port: str) -> None:
        found: list[tuple[str, tuple]] = []
        with self.refused.messages():
            meta, data = read_pdu(message, port)
            if is_end(meta) and port == "sent":
                self._end.begin()
            elif not self._without_truth:
                reported = read_news(meta, data, port)
                for _, news in reported:
                    self._note_items(news[0])
                found = reported
        for kind, news in found:
            answered = getattr(self.record, kind)(*news)
            if answered is not None:
                self._publish(answered)
        if not found:
            self._end.settle()

    def _note_items(self, news: object) -> None:
        """Note how items are shown; raise `BlockError` for those of another size than the ones before, and for targets
        that mean other entries than are searched."""
        if isinstance(news, ItemTargets) and self.record.are_other_entries(news):
            raise BlockError(other_entries(news.task))
        if not isinstance(news, (FrameRecord, ItemTruth)):
            return
        size = news.items.shape[1]
        if size and size != (self._item_bytes or size):
            raise BlockError("port 'sent' or 'truth' got items of another size than those before.")
        self._item_bytes = self._item_bytes or size
        if news.item_shape:
            self._item_shape, self._modality = news.item_shape, news.modality

    @guarded_handler
    def handle_truth(self, message: pmt.pmt_base) -> None:
        """Take note of items and their truth, or of the SNR that the channel set for a frame."""
        self._take_news(message, "truth")

    @guarded_handler
    def handle_answers(self, message: pmt.pmt_base) -> None:
        """Set a frame's answers against its labels."""
        meta, classes = read_pdu(message, "answers")
        require(meta, ("frame_num", "confidence", "snr_db"), "answers")
        number = meta["frame_num"]
        for task, entries in entries_of(meta).items():
            if self.record.searched(task, entries):
                self.refused.note(other_entries(task))
        if self._without_truth:
            number = self._take_unreported(meta, len(classes)) % FRAME_NUM_MODULO
        answer = Answer(
            np.asarray(classes),
            np.asarray(meta["confidence"]),
            time.monotonic_ns(),
            meta.get("task", 0),
            more=answers_of(meta, len(classes)),
            questions=answered_questions(meta, len(classes)),
            known=base_answers_of(meta, classes),
        )
        record = self.record.received(
            Reception(number, meta.get("k"), len(classes), float(meta["snr_db"]), meta.get("cfo_hz"), answer)
        )
        self._end.settle()
        if record is not None:
            record.air_ms = meta.get("air_ms")
            if "received_ns" in meta:
                record.answer_ms = (time.monotonic_ns() - meta["received_ns"]) / 1e6
            self._publish(record)
        self.answers_taken += 1

    def _take_unreported(self, meta: dict, n_items: int) -> int:
        """Enter an answered frame that nobody reported as sent, with the numbers that come next; returns its index."""
        unknown = np.full(n_items, -1)
        items = self.record.items_sent + np.arange(n_items)
        none = np.empty((n_items, 0), np.uint8)
        index = self.record.frames_sent
        self.record.sent(FrameRecord(index, meta.get("k", 0), items, unknown, none, time.monotonic_ns()))
        return index

    @guarded_stop
    def stop(self) -> bool:
        self._stopped.set()
        if self._ticking is not None:
            self._ticking.join()
            self._ticking = None
        self._end.close()
        try:
            self.record.close()
        finally:  # a file that cannot be written costs neither the other ones nor the counts
            if not self._told:
                self._told = True
                self.logger.info(self.record.summary())
                self._warn_without_truth()
            self._write_pictures()
        if self.refused.count and not self.record.frames_sent:
            reason = next(iter(self.refused.reasons))
            raise BlockError(f"no frame was reported as sent, and {self.refused.count} messages were refused: {reason}")
        return True

    def _warn_without_truth(self) -> None:
        record = self.record
        if self._without_truth or not record.items_sent or record.items_labelled or record.items_published:
            return
        self.logger.warn(
            f"the truth of none of {record.items_sent} items is known, so no answer counts as right or wrong: connect "
            "port 'truth' of the item source to port 'truth' of the task sink."
        )

    def _write_pictures(self) -> None:
        shape = self._item_shape
        self._write_kept("images.npz", "images", self.record.pictures, shape, modality=np.array(self._modality))
        self._write_kept("thumbnails.npz", "thumbnails", self.record.thumbnails, ())

    def _write_kept(
        self, file: str, name: str, kept: Sequence[tuple[int, np.ndarray]], shape: tuple[int, ...], **more: np.ndarray
    ) -> None:
        if self._folder is None or not kept:
            return
        path = self._folder / file
        if not self._folder.is_dir():  # it must not be made again with this file alone
            error = FileNotFoundError(2, "the folder was removed")
            raise BlockError(f"{path} cannot be written ({error.strerror}); {fix_for(error)}.")
        ids, values = zip(*kept, strict=True)
        content = io.BytesIO()
        shaped = np.stack(values).reshape(len(values), *(shape or values[0].shape))
        np.savez_compressed(content, **{name: shaped, "item_id": np.array(ids), **more})
        write_whole({path: content.getvalue()}, sync=False)

    def _publish(self, record: FrameRecord) -> None:
        # Nobody listens as a rule, and the histories cost more than all the rest.
        if has_listener(self, "results"):
            self._publish_result(record)
        if has_listener(self, "snr_history") or has_listener(self, "k_history"):
            self._publish_histories()

    def _publish_result(self, record: FrameRecord) -> None:
        meta = {
            "frame_index": record.frame_index,
            "k": record.k,
            "n_items": len(record.label),
            "label": record.label,
            "answer": record.answers,
            "confidence": record.confidence,
            "snr_db": record.snr_est_db,
            **answers_meta(record.more),
            **targets_meta(record.targets),
            **({} if record.known is None else base_meta(record.known)),
        }
        if any(record.asked[:1]):
            meta["question"] = record.asked[0]
        if self._modality:
            meta |= {"modality": self._modality, "item_shape": np.array(self._item_shape, np.int32)}
        self.message_port_pub(_RESULTS, make_pdu(meta, record.items.ravel()))

    def _publish_quality(self) -> None:
        if not has_listener(self, "quality"):
            return
        frames, shares = self.record.running_quality()
        if shares and frames != self._frames_shown:
            self._frames_shown = frames
            meta = {"figures": ",".join(shares), "frames": frames}
            self.message_port_pub(_QUALITY, make_pdu(meta, np.array([*shares.values()], np.float32)))

    def _publish_histories(self) -> None:
        recent = self.record.recent()
        snr = np.array([complex(_or_nan(r.snr_set_db), _or_nan(r.snr_est_db)) for r in recent], np.complex64)
        self.message_port_pub(_SNR_HISTORY, make_pdu({}, snr))
        self.message_port_pub(_K_HISTORY, make_pdu({}, np.array([r.k for r in recent], np.float32)))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
