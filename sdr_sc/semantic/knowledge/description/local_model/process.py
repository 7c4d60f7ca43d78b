# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model as a writer: the prompt, and the process that answers it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sdr_sc.documents import parse_json, real_number
from sdr_sc.errors import MissingDependencyError, SdrScError
from sdr_sc.processes import ends_with_parent
from sdr_sc.semantic.knowledge.description.rewording import TooSlowError
from sdr_sc.shown import reason_of, shown

LIBRARY, VERSION = "xllamacpp", "2026.10.11549"
START_S = 120.0
_LONGEST_ANSWER = 1 << 16
_TASK = (
    "You join short sentences into one or two fluent ones. Keep every name in quotation marks and every mark such as "
    "[1] or [d] as it is, in the same order. Keep words such as probably, may and nothing certain. Leave nothing out. "
    "Add no facts."
)
_EXAMPLES = (
    (
        'Its class is probably "birds" (64 %) [d][2]. The thing itself may be "owl" [d]. The nearest entries are '
        '"barn owl" (similarity 0.81) [1], "eagle" (0.72) [2].',
        'Its class is probably "birds" (64 %) [d][2] and the thing itself may be "owl" [d], where the nearest entries '
        'are "barn owl" (similarity 0.81) [1] and "eagle" (0.72) [2].',
    ),
    (
        'Nothing certain can be said of its class; the likeliest is "tools" (22 %) [d]. The decoder and 2 of the 3 '
        'entries looked up disagree on the class: nearest is "music" [1][3]. The nearest entry is "drum" (similarity '
        "0.65) [1].",
        'Nothing certain can be said of its class, of which the likeliest is "tools" (22 %) [d]. The decoder and 2 of '
        'the 3 entries looked up disagree on the class, where nearest is "music" [1][3], and the nearest entry is '
        '"drum" (similarity 0.65) [1].',
    ),
)


def check_library() -> None:
    """Refuse a language model if what it runs in is not installed.

    Raises:
        MissingDependencyError: it is not.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise MissingDependencyError(
            f"a language model needs the Python package {LIBRARY}, which is not installed; run 'pip install "
            f"{LIBRARY}=={VERSION}' in this environment, or leave the language model out."
        )


class LocalModel:
    """A language model in a process of its own, which is started when it is first asked.

    Args:
        path: of the model, a GGUF file.
        seed: of what it draws; it takes the likeliest words, so that the same text gives the same answer.

    Attributes:
        seconds: of processor time that its answers took, in all.
        answers: how many it gave.

    Raises:
        MissingDependencyError: its library is not installed.
    """

    def __init__(self, path: Path, seed: int = 1) -> None:
        check_library()
        self._path, self._seed = path, seed
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting = b""
        self.seconds, self.answers = 0.0, 0

    def __enter__(self) -> LocalModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        child, self._child, self._waiting = self._child, None, b""
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def write(self, text: str, timeout_s: float) -> str:
        """See `sdr_sc.semantic.knowledge.description.rewording.Writer`; starting takes up to `START_S` beside."""
        self._start()
        messages = [{"role": "system", "content": _TASK}]
        for given, written in _EXAMPLES:
            messages += [{"role": "user", "content": given}, {"role": "assistant", "content": written}]
        request = {
            "messages": [*messages, {"role": "user", "content": text}],
            "max_tokens": 64 + len(text) // 2,
            "temperature": 0,
            "seed": self._seed,
            "cache_prompt": True,
        }
        child = self._child
        assert child is not None and child.stdin is not None
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
        except OSError as error:
            self.close()
            raise SdrScError(f"{self._named} has ended ({reason_of(error)}); give another model.") from None
        answer = self._answer(timeout_s)
        self.seconds += real_number(answer.get("seconds"), 0.0) or 0.0
        if not isinstance(answer.get("text"), str):
            raise SdrScError(f"{self._named} gives no text ({shown(answer.get('fault'), 200)}); give another model.")
        self.answers += 1
        return str(answer["text"])

    @property
    def _named(self) -> str:
        return f"language model {shown(self._path)}"

    def _start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self.close()
        program = [sys.executable, "-m", "sdr_sc.semantic.knowledge.description.local_model.child"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._child = subprocess.Popen(
            [*program, str(self._path.absolute())], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=environment, preexec_fn=ends_with_parent(),
        )  # fmt: skip
        try:
            answer = self._answer(START_S)
        except TooSlowError:
            raise SdrScError(f"{self._named} was not loaded in {START_S:.0f} s; give a smaller one.") from None
        if answer.get("ready") is not True:
            self.close()
            raise SdrScError(
                f"{self._named} cannot be loaded ({shown(answer.get('fault'), 200)}); give a GGUF file of a "
                "language model."
            )

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        """The process's next line; it is ended where there is none in time, or it writes something else.

        Raises:
            TooSlowError: there is none in time.
            SdrScError: it has ended, or writes something else.
        """
        child = self._child
        assert child is not None and child.stdout is not None
        until = time.monotonic() + timeout_s
        try:
            while b"\n" not in self._waiting:
                ready, _, _ = select.select([child.stdout], [], [], max(0.0, until - time.monotonic()))
                if not ready:
                    raise TooSlowError
                piece = os.read(child.stdout.fileno(), 1 << 16)
                self._waiting += piece
                if not piece or len(self._waiting) > _LONGEST_ANSWER:
                    raise SdrScError(f"{self._named} has ended, or its file is none; give a GGUF file of one.")
            line, _, self._waiting = self._waiting.partition(b"\n")
            found = parse_json(line, f"the answer of {self._named}", "give another model")
            return found if isinstance(found, dict) else {}
        except BaseException:
            self.close()
            raise
