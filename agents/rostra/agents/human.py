"""Where people are asked: at this terminal, or through the coordinator's durable inbox."""

import asyncio
import sys
from collections import Counter
from hashlib import blake2b
from typing import TextIO

from rostra.protocol import COORDINATOR, Answer, Client, PeerLost, Question, RostraError, Stopping
from rostra.protocol.clock import wall_ms

from .threads import in_thread

PAUSE = 0.25
"""Seconds between two tries while the coordinator goes down."""


class NobodyToAsk(RostraError):
    """A person must answer, but there is no terminal to ask at."""


class TerminalInput:
    """Asks at a terminal: the question on `output`, one line from `source`; the end of input is an empty answer.

    Raises `NobodyToAsk` when `source` (default: stdin) is no terminal.
    """

    def __init__(self, source: TextIO | None = None, output: TextIO | None = None) -> None:
        self._source, self._output = source, output

    async def ask(self, question: Question) -> Answer:
        """See `HumanInput.ask`."""
        source, output = self._source or sys.stdin, self._output or sys.stdout
        if source is None or source.closed or not source.isatty():
            raise NobodyToAsk(f"{question.agent or 'an agent'} asks a person, but standard input is no terminal: {question.text}")
        line: str = await in_thread(self._read, source, output, question)
        return Answer(text=line.rstrip("\r\n"), by="terminal", origin="terminal", at_ms=wall_ms(), digest=question.digest)

    @staticmethod
    def _read(source: TextIO, output: TextIO, question: Question) -> str:
        options = f" [{' / '.join(question.options)}]" if question.options else ""
        detail = f"{question.detail.rstrip()}\n" if question.detail else ""
        output.write(f"{detail}{question.text}{options} ")
        output.flush()
        return source.readline()


class InboxInput:
    """Asks through the coordinator's inbox, for one turn.

    The n-th question of a turn always has the same request id, so a turn that is done again finds its answer instead of asking
    the person twice. A question that is bound to something (`digest`) has an id that follows from that instead: asked anew about
    something else, it is another question. There is no time limit; a coordinator that is away is waited for.
    """

    def __init__(self, client: Client, turn: bytes = b"") -> None:
        self._client, self._turn = client, turn
        self._asked = 0
        self._bound: Counter[str] = Counter()

    async def ask(self, question: Question) -> Answer:
        """See `HumanInput.ask`; raises as `Client.request`."""
        id_ = self._next_id(question.digest)
        while True:
            try:
                answer: Answer = await self._client.request(
                    COORDINATOR, "inbox.ask", question, reply=Answer, timeout=None, absent=float("inf"), id=id_
                )
                return answer
            except (PeerLost, Stopping):  # the question is on its disk: whoever takes its place is asked the same
                if id_ is None:
                    raise
                await asyncio.sleep(PAUSE)

    def _next_id(self, digest: str) -> bytes | None:
        if not self._turn:
            return None
        if digest:
            self._bound[digest] += 1
            return approval_id(self._turn, digest, self._bound[digest] - 1)
        self._asked += 1
        return question_id(self._turn, self._asked - 1)


def question_id(turn: bytes, ordinal: int) -> bytes:
    """The request id of the question `ordinal` (from 0) of a turn: 16 bytes."""
    return blake2b(turn + ordinal.to_bytes(4, "big"), digest_size=16, person=b"rostra question").digest()


def approval_id(turn: bytes, digest: str, ordinal: int) -> bytes:
    """The request id of the question `ordinal` (from 0) of a turn about what has this digest: 16 bytes."""
    whole = b"%d/%b/%d" % (len(turn), turn + digest.encode(), ordinal)
    return blake2b(whole, digest_size=16, person=b"rostra approval").digest()
