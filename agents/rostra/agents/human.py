"""Where people are asked: at this terminal, or through the coordinator's durable inbox."""

import sys
from hashlib import blake2b
from typing import TextIO

from rostra.protocol import COORDINATOR, Answer, Client, Question, RostraError

from .threads import in_thread

ABSENT_SECONDS = 24 * 3600.0
"""How long a coordinator that is away is waited for."""


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
        return Answer(text=line.rstrip("\r\n"), by="terminal")

    @staticmethod
    def _read(source: TextIO, output: TextIO, question: Question) -> str:
        options = f" [{' / '.join(question.options)}]" if question.options else ""
        output.write(f"{question.text}{options} ")
        output.flush()
        return source.readline()


class InboxInput:
    """Asks through the coordinator's inbox, for one turn.

    The n-th question of a turn always has the same request id, so a turn that is done again finds its answer instead of asking
    the person twice. There is no time limit; a coordinator that is away is waited for a day.
    """

    def __init__(self, client: Client, turn: bytes = b"") -> None:
        self._client, self._turn = client, turn
        self._asked = 0

    async def ask(self, question: Question) -> Answer:
        """See `HumanInput.ask`; raises as `Client.request`."""
        id_ = question_id(self._turn, self._asked) if self._turn else None
        self._asked += 1
        answer: Answer = await self._client.request(
            COORDINATOR, "inbox.ask", question, reply=Answer, timeout=None, absent=ABSENT_SECONDS, id=id_
        )
        return answer


def question_id(turn: bytes, ordinal: int) -> bytes:
    """The request id of the question `ordinal` (from 0) of a turn: 16 bytes."""
    return blake2b(turn + ordinal.to_bytes(4, "big"), digest_size=16, person=b"rostra question").digest()
