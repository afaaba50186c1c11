"""The live view as commands use it: checked for before anything is started, and told what happens around the chat."""

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from rostra.console.exits import Code, Quit
from rostra.console.following import Chat
from rostra.console.live import Live
from rostra.protocol.chat import ChatEvent, Result

if TYPE_CHECKING:
    from .app import View  # the extra is loaded when it is needed


def check_screen() -> None:
    """Raise `Quit` when the live view cannot be shown here: it needs a terminal, and the extra `tui`."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()):
        raise Quit(Code.USAGE, "--tui needs a terminal, for stdin and stdout")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise Quit(Code.USAGE, "--tui needs a terminal with a cursor that can be moved, and TERM to say which one it is")
    if importlib.util.find_spec("prompt_toolkit") is None:
        raise Quit(Code.CONFIGURATION, "--tui needs the extra `tui`, which is not installed: pip install 'rostra[tui]'")


class Shown:
    """A chat on the whole terminal. What happens around it is told there, and on stderr before and after.

    `result`: how the chat ended, when it had before the view was left.
    """

    def __init__(self) -> None:
        self.result: Result | None = None
        self._lines = Live(sys.stdout, sys.stderr, streaming=False)
        self._view: View | None = None

    async def run(self, chat: Chat, *, signals: bool = True) -> int:
        """Show it until it is left; returns 0, or 128 and the number of the signal. Raises `RequestError`.

        `signals`: whether SIGINT, SIGTERM and SIGHUP leave it; else somebody else takes them.
        """
        from .app import on_terminal

        view = self._view = on_terminal(chat)
        try:
            code = await view.run(signals=signals)
        finally:
            self._view = None
        self.result = view.result
        if self.result is not None:
            self._lines.show(ChatEvent(type="result", chat=chat.chat, result=self.result))
        return code

    def leave(self, code: int) -> None:
        """Leave the view, which returns `code`."""
        if self._view is not None:
            self._view.leave(code)

    def note(self, text: str, *, bad: bool = False) -> None:
        """Something that happens around the chat."""
        if self._view is not None:
            self._view.note(text, bad=bad)
        else:
            self._lines.note(text, bad=bad)

    def interrupted(self, speaker: str = "") -> None:
        """Nothing: the view hears of it from the broker."""
