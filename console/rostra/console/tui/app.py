"""The live view on a real terminal: draws the scene, reads the keys, does what they say. Needs the extra `tui`."""

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, Filter
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, ConditionalContainer, FormattedTextControl, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import BaseStyle
from prompt_toolkit.styles import Style as Styles

from rostra.console.exits import Code
from rostra.console.following import Chat
from rostra.console.terminal import PALETTE, Style
from rostra.protocol import RequestError
from rostra.protocol.chat import Result
from rostra.protocol.session import State

from . import acts
from .desk import Act, Desk, Extent, Leave, Writing, noticed, press, sent
from .drawing import Drawing
from .feed import Feed
from .lines import Pen, text

ESCAPE_SECONDS = 0.1
"""How long an escape waits for the rest of an arrow key; a slow line delivers it in pieces."""
REDRAW_SECONDS = 0.02
"""The least time between two screens: text that streams in quickly is drawn in larger pieces."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NAMES = ("up", "down", "pageup", "pagedown", "home", "end", "tab", "s-tab", "enter", "escape")
_COLOURS = {30: "black", 31: "red", 32: "green", 33: "yellow", 34: "blue", 35: "magenta", 36: "cyan", 37: "gray"}
_BRIGHT = 60
"""What the code of a bright colour has more than that of the colour."""


class View:
    """Shows one chat on the terminal, until the person leaves it."""

    def __init__(self, chat: Chat, *, output: Output, input: Input, looks: Style) -> None:  # noqa: A002 - the library's word
        self._feed, self._chat = Feed(chat, self._changed), chat
        self._desk, self._extent = Desk(), Extent()
        self.shown = ""
        """What is on the screen, as a text."""
        self._drawing = Drawing(Pen(unicode=looks.unicode))
        self._line = Buffer(multiline=False, accept_handler=self._accept)
        self._body = Window(FormattedTextControl(self._drawn, focusable=True, show_cursor=False), always_hide_cursor=True)
        self._doing: set[asyncio.Task[object]] = set()
        self._app: Application[int] = Application(
            layout=self._layout(),
            key_bindings=self._bindings(),
            style=_styles(),
            color_depth=ColorDepth.DEPTH_4_BIT if looks.colour else ColorDepth.DEPTH_1_BIT,
            full_screen=True,
            mouse_support=False,
            refresh_interval=1.0,
            min_redraw_interval=REDRAW_SECONDS,
            input=input,
            output=output,
        )
        self._app.ttimeoutlen = ESCAPE_SECONDS

    @property
    def result(self) -> Result | None:
        """How the chat ended, if it has."""
        return self._feed.scene.result if self._feed.scene.over else None

    async def run(self, *, signals: bool = True) -> int:
        """Show the chat until somebody leaves; returns 0, or 128 and the number of the signal. Raises `RequestError`.

        `signals`: whether SIGINT, SIGTERM and SIGHUP leave it; else somebody else takes them.
        """
        loop, taken = asyncio.get_running_loop(), _SIGNALS if signals else ()
        for number in taken:
            loop.add_signal_handler(number, self.leave, 128 + number)
        before = loop.get_exception_handler()
        loop.set_exception_handler(self._failed)
        following = self._begin(self._feed.run())
        try:
            return await self._app.run_async(handle_sigint=False, set_exception_handler=False)
        finally:
            for number in taken:
                loop.remove_signal_handler(number)
            loop.set_exception_handler(before)
            tasks = {following, *self._doing}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def leave(self, code: int) -> None:
        """Leave the view: `run` returns `code`."""
        if self._app.future is not None and not self._app.future.done():
            self._app.exit(result=int(code))

    def note(self, text: str, *, bad: bool = False) -> None:
        """Note what happens around the chat, in the conversation."""
        self._feed.note(text, bad=bad)

    def _begin(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[object]":
        """Do something beside; when it goes wrong, the view ends with that."""
        task = asyncio.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[object]") -> None:
        self._doing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(error)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault in what the loop calls, the drawing say: the terminal is given back before it is told."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._end(error)
        else:
            loop.default_exception_handler(context)

    def _end(self, error: BaseException) -> None:
        if self._app.future is not None and not self._app.future.done():
            self._app.exit(exception=error)

    # ---- what there is to see

    def _changed(self) -> None:
        self._app.invalidate()

    def _drawn(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        lines, self._extent = self._drawing.screen(
            self._feed.scene,
            self._desk,
            width=size.columns,
            height=size.rows - (1 if self._writing() else 0),
            now_ms=time.time_ns() // 1_000_000,
            connected=self._chat.client.session.state is State.BOUND,
        )
        self.shown = text(lines)
        fragments: StyleAndTextTuples = []
        for number, line in enumerate(lines):
            if number:
                fragments.append(("", "\n"))
            fragments += [(f"class:{style}" if style else "", piece) for style, piece in line]
        return fragments

    def _layout(self) -> Layout:
        label = FormattedTextControl(lambda: [("class:notice", self._label())])
        line = VSplit(
            [
                Window(label, width=lambda: Dimension.exact(len(self._label())), height=1),
                Window(BufferControl(self._line), height=1),
            ]
        )
        return Layout(HSplit([self._body, ConditionalContainer(line, Condition(self._writing))]), focused_element=self._body)

    def _label(self) -> str:
        return f"{self._desk.mode.label}> " if isinstance(self._desk.mode, Writing) else ""

    # ---- what the person does

    def _writing(self) -> bool:
        return isinstance(self._desk.mode, Writing)

    def _bindings(self) -> KeyBindings:
        bindings, writing = KeyBindings(), Condition(self._writing)

        def bind(key: str, when: Filter) -> None:
            bindings.add(key, filter=when, eager=key == "escape")(lambda _: self._pressed(key))

        for key in _NAMES:
            bind(key, ~writing)
        bindings.add("<any>", filter=~writing)(lambda event: self._pressed(event.data))
        for key in ("escape", "pageup", "pagedown"):
            bind(key, writing)
        bindings.add("<bracketed-paste>", filter=~writing)(lambda _: None)
        bindings.add("c-c", eager=True)(lambda _: self.leave(Code.INTERRUPTED))
        bindings.add("c-z", eager=True)(lambda event: event.app.suspend_to_background())
        bindings.add("c-l", eager=True)(_redraw)
        return bindings

    def _pressed(self, key: str) -> None:
        self._next(*press(self._feed.scene, self._desk, key, self._extent))

    def _accept(self, line: Buffer) -> bool:
        self._next(*sent(self._desk, line.text))
        return False  # the line is emptied

    def _next(self, desk: Desk, act: Act | None) -> None:
        was_writing, self._desk = self._writing(), desk
        if self._writing() != was_writing:
            self._line.reset()
            self._app.layout.focus(self._line if self._writing() else self._body)
        if isinstance(act, Leave):
            self.leave(Code.ENDED)
        elif act is not None:
            self._desk = noticed(self._desk, acts.going(act))
            self._begin(self._do(act))
        self._app.invalidate()

    async def _do(self, act: Act) -> None:
        try:
            info = await acts.perform(self._chat, act)
        except RequestError as error:
            self._desk = noticed(self._desk, str(error), bad=True)
        else:
            if info is not None:
                self._feed.seen(info)
            if self._desk.notice == acts.going(act):
                self._desk = noticed(self._desk, "")
        self._app.invalidate()


def on_terminal(chat: Chat) -> View:
    """The view on this terminal: stdin and stdout."""
    looks = Style.of(sys.stdout)
    return View(chat, output=Vt100_Output.from_pty(sys.stdout, enable_bell=False), input=create_input(sys.stdin), looks=looks)


def _redraw(event: KeyPressEvent) -> None:
    event.app.renderer.clear()


def _styles() -> BaseStyle:
    return Styles.from_dict(
        {
            "head": "reverse",
            "badge": "reverse bold",
            "keys": "reverse",
            "bold": "bold",
            "dim": "dim",
            "notice": "bold",
            "bad": "bold ansired",
            "good": "ansigreen",
            "fold": "",
            "marked": "reverse",
            **{f"speaker{place}": f"bold {_colour(code)}" for place, code in enumerate(PALETTE)},
        }
    )


def _colour(code: int) -> str:
    """The library's name of an SGR colour."""
    return f"ansi{_COLOURS[code]}" if code in _COLOURS else f"ansibright{_COLOURS[code - _BRIGHT]}"
