"""A coverage-guided fuzzer on whatever decodes bytes of others. libFuzzer ends the process, so it has one of its own.

python -m tests.campaigns.fuzz RUNS CORPUS REPORT [planted]

The first byte of an input says who decodes the rest. Whatever is raised beside what the decoder promises ends the run
with an error. CORPUS is a folder of inputs to begin with; REPORT is written at the last run. `planted`: with a fault that
only an input has that gets far into the decoder of heads, to see that it would be found.
"""

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["rostra.protocol", "rostra.broker", "rostra.groupchat"]):
    from rostra.broker.core import Core
    from rostra.groupchat import rows
    from rostra.protocol import ChatMessage, Presence, Turn, TurnReply, bundles, redaction
    from rostra.protocol.chat import ChatEvent, ChatStart
    from rostra.protocol.errors import BadMessage
    from rostra.protocol.frames import decode_body, decode_head, encode_head
    from rostra.protocol.messages import Hello, Mail
    from rostra.protocol.session import Session

import msgspec

ID = b"i" * 16
KINDS: tuple[Any, ...] = (Any, ChatMessage, Turn, TurnReply, Presence, ChatStart, ChatEvent)
ROWS = (rows.decoded_why, rows.decoded_message, rows.decoded_usage, rows.decoded_control)


def _head(data: bytes) -> None:
    encode_head(decode_head(data))


def _body(data: bytes) -> None:
    decode_body(data[1:], KINDS[data[0] % len(KINDS)])


def _bundle(data: bytes) -> None:
    bundles.unbundle(data[1:], for_broker=bool(data[0] % 2))


def _broker(data: bytes) -> None:
    core = Core(ID)
    core.received(b"1", b"", encode_head(Hello("eve", ID)), b"")
    cut = data[0]
    core.received(b"1", (b"", b"eve", b"ada")[cut % 3], data[1 : 1 + cut], data[1 + cut :])


def _session(data: bytes) -> None:
    cut = data[0]
    Session("ada", boot=ID).received((b"", b"eve")[cut % 2], data[1 : 1 + cut], data[1 + cut :], 0.0)


def _secrets(data: bytes) -> None:
    redaction.own.body(data)


def _row(data: bytes) -> None:
    """What comes from the disk may be damaged; who reads it is told so."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        ROWS[data[0] % len(ROWS)](data[1:])


DECODERS: tuple[Callable[[bytes], None], ...] = (_head, _body, _bundle, _broker, _session, _secrets, _row)


@atheris.instrument_func  # type: ignore[untyped-decorator]
def _planted(data: bytes) -> None:
    header = decode_head(data)
    if isinstance(header, Mail) and 20 < header.sequence < 200:  # no test vector is such a one
        raise KeyError("planted")


def rss() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Campaign:
    """Counts the runs, and writes at the last of them what they came to."""

    def __init__(self, runs: int, report: Path, decoders: tuple[Callable[[bytes], None], ...]) -> None:
        self._runs, self._report, self._decoders = runs, report, decoders
        self._done = self._refused = self._before = 0

    def one(self, data: bytes) -> None:
        """One input."""
        if len(data) > 1:
            try:
                self._decoders[data[0] % len(self._decoders)](data[1:])
            except (BadMessage, IndexError) as error:
                if isinstance(error, IndexError) and len(data) > 2:
                    raise
                self._refused += 1
        self._done += 1
        if self._done == self._runs // 2:  # by then libFuzzer's own memory of what it has seen is there
            gc.collect()
            self._before = rss()
        if self._done == self._runs:
            gc.collect()
            grown = rss() - self._before
            self._report.write_text(json.dumps({"runs": self._done, "refused": self._refused, "grown": grown}))


if __name__ == "__main__":
    count, corpus, report = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    campaign = Campaign(count, report, (_planted,) if "planted" in sys.argv else DECODERS)
    options = [f"-runs={count}", "-seed=11", "-max_len=2048", "-timeout=20", "-verbosity=0", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={report.parent}/", corpus], campaign.one)
    atheris.Fuzz()
