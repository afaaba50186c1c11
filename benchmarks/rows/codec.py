"""Encoding and decoding one message: head and body as the client does it, beside a msgpack dict (row 19)."""

import time
from collections.abc import Callable

import msgpack

from benchmarks.measure import Case, Effort, Sample
from rostra.protocol import ChatMessage
from rostra.protocol.frames import decode_body, decode_head, encode_body, encode_head
from rostra.protocol.ids import new_id
from rostra.protocol.messages import Request

CONTENT = ("Four agents hold a conversation about brokers, and each of them says what the others have not said yet. " * 5)[:500]
METADATA = {"model": "small", "prompt_tokens": 812, "completion_tokens": 131, "tags": ["draft", "second"]}
ID = new_id()
HEADER = Request(ID, "ask", 60_000)
MESSAGE = ChatMessage(content=CONTENT, role="assistant", name="writer", sequence=17, metadata=METADATA)
PLAIN = {
    "id": ID,
    "method": "ask",
    "deadline_ms": 60_000,
    "content": CONTENT,
    "role": "assistant",
    "name": "writer",
    "sequence": 17,
    "metadata": METADATA,
}


def _ours() -> None:
    head, body = encode_head(HEADER), encode_body(MESSAGE)
    decode_head(head)
    decode_body(body, ChatMessage)


def _msgpack() -> None:
    msgpack.unpackb(msgpack.packb(PLAIN))


def _timed(work: Callable[[], None], count: int) -> Sample:
    best = float("inf")
    for _ in range(4):  # the quickest of four: this process alone is measured, and whatever delays it is not its own
        began = time.perf_counter_ns()
        for _ in range(count):
            work()
        best = min(best, (time.perf_counter_ns() - began) / count)
    return {"us": best / 1e3}


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `codec`."""
    count = effort.count(10_000)
    return {"msgpack dict": lambda: _timed(_msgpack, count), "rostra": lambda: _timed(_ours, count)}
