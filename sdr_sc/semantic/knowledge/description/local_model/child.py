# SPDX-License-Identifier: GPL-3.0-or-later
"""A process with a language model: requests come as lines of JSON, and so do its answers.

It is a process of its own so that a damaged file, or an answer that takes too long, can end it without ending a
receiver. The library, ``xllamacpp``, holds llama.cpp; it writes its log to where standard output goes, so the answers
go to a copy of that and the log to nowhere.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

THREADS = 1  # more of them wait for each other on a machine that does other things, too
CONTEXT_TOKENS = 2048
_LONGEST_REQUEST = 1 << 20


def main(path: str) -> None:
    """Answer requests until there are no more.

    Args:
        path: of the model.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)

    def answer(**what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    try:
        server = _server(path)
    except Exception as error:  # whatever the library makes of files that are none
        answer(fault=str(error)[:400])
        return
    answer(ready=True)
    while line := sys.stdin.readline(_LONGEST_REQUEST):
        begun = time.process_time()
        try:
            found = server.handle_chat_completions(json_line(line))
            text = str(found["choices"][0]["message"]["content"])
        except Exception as error:
            answer(fault=str(error)[:400], seconds=time.process_time() - begun)
            continue
        answer(text=text, seconds=time.process_time() - begun, tokens=dict(found.get("usage", {})))


def json_line(line: str) -> Any:
    """A request, of this program's own."""
    from sdr_sc.documents import parse_json

    return parse_json(line, "request", "write it again")


def _server(path: str) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx, parameters.n_parallel = CONTEXT_TOKENS, 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = THREADS
    return xllamacpp.Server(parameters)


if __name__ == "__main__":
    main(sys.argv[1])
