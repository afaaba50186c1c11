"""Asks the person at the terminal, one line at a time, without blocking the rest."""

import asyncio
import os
import sys
import termios
from typing import TextIO

LONGEST = 64 * 1024
"""Bytes of a line that are taken."""


def at_terminal() -> bool:
    """Whether a person can be asked: both stdin and stderr are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


class Person:
    """The person at the terminal. `gone`: has ended the input (Ctrl-D at an empty prompt)."""

    def __init__(self, prompt_to: TextIO, descriptor: int = 0) -> None:
        self._prompt_to, self._descriptor, self.gone = prompt_to, descriptor, False

    async def ask(self, prompt: str) -> str | None:
        """Show the prompt and wait for a line, returned without its line feed; None when the input has ended.

        Cancelling it takes the prompt back; what was typed but not sent is discarded. The terminal edits the line itself.
        """
        if self.gone:
            return None
        loop = asyncio.get_running_loop()
        line: asyncio.Future[bytes] = loop.create_future()

        def readable() -> None:
            if not line.done():
                line.set_result(os.read(self._descriptor, LONGEST))

        self._prompt_to.write(prompt)
        self._prompt_to.flush()
        loop.add_reader(self._descriptor, readable)
        try:
            raw = await line
        except asyncio.CancelledError:
            if os.isatty(self._descriptor):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
            self._prompt_to.write("\n")
            self._prompt_to.flush()
            raise
        finally:
            loop.remove_reader(self._descriptor)
        if not raw:
            self.gone = True
            self._prompt_to.write("\n")
            return None
        return raw.decode(errors="replace").rstrip("\r\n")
