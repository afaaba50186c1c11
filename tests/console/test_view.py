"""The live view without a terminal: what is typed is done, and whatever ends it ends it cleanly."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output
from tests.conftest import until

from rostra.broker.memory import MemoryBroker
from rostra.console.following import Chat
from rostra.console.terminal import Style
from rostra.console.tui import drawing
from rostra.console.tui.app import View
from rostra.protocol import ChatMessage, Client, Incoming, Question, Refused
from rostra.protocol.chat import ChatControl, ChatInfo, ChatRef, ChatSay, Why

from .transcriber import CHAT, Transcriber


class Directed(Transcriber):
    """One that also heeds what a view asks for; `done`: what that was."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.done: list[str] = []
        for what in ("pause", "next"):
            self.service.method(f"chat.{what}", ChatControl, self._control)
        self.service.method("chat.say", ChatSay, self._say)
        self.service.method("chat.why", ChatRef, self._why)

    async def _control(self, wish: ChatControl, request: Incoming) -> ChatInfo:
        if wish.agent == "coder":
            raise Refused("coder is muted")
        self.done.append(request.method)
        self.state = "paused"
        return await self._info(ChatRef(chat=CHAT), request)

    async def _say(self, wish: ChatSay, _: Incoming) -> ChatMessage:
        self.say(wish.content)
        return self.messages[-1]

    async def _why(self, _: ChatRef, __: Incoming) -> list[Why]:
        return []


class Screen:
    """A view whose terminal is a text, and the keys that are pressed."""

    def __init__(self, chat: Chat, keys: PipeInput) -> None:
        self.out, self.keys = io.StringIO(), keys
        output = Vt100_Output(self.out, lambda: Size(rows=24, columns=80))
        self.view = View(chat, output=output, input=keys, looks=Style(colour=False))
        self.over = asyncio.create_task(self.view.run())

    async def until(self, text: str) -> None:
        await until(lambda: text in self.view.shown or self.over.done())
        assert text in self.view.shown

    async def code(self) -> int:
        """The exit code; the terminal is as it was."""
        async with asyncio.timeout(20):
            code = await self.over
        assert self.out.getvalue().rstrip().endswith("\x1b[?25h"), "the cursor is shown"
        assert self.out.getvalue().count("\x1b[?1049h") == self.out.getvalue().count("\x1b[?1049l") == 1
        return code


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe:
        yield pipe


@pytest.fixture
async def there() -> AsyncIterator[tuple[Directed, Client]]:
    broker = MemoryBroker()
    async with Client(broker.transport(), name="coordinator") as one, Client(broker.transport(), name="console-abcdef") as other:
        coordinator = Directed(one)
        coordinator.say("Flour.")
        yield coordinator, other


async def test_what_is_typed_is_done_and_shown(there: tuple[Directed, Client], keys: PipeInput) -> None:
    coordinator, console = there
    async with Chat(console, CHAT) as chat:
        screen = Screen(chat, keys)
        await screen.until("Flour.")
        keys.send_text("p")
        await screen.until("PAUSED")
        assert coordinator.done == ["chat.pause"]
        keys.send_text("n1")
        await screen.until("coder is muted")
        keys.send_text("sand water\r")
        await screen.until("and water")
        await until(lambda: len(coordinator.messages) == 2)
        keys.send_text("q")
        assert await screen.code() == 0
        assert screen.view.result is None


async def test_a_chat_that_has_ended_is_shown_until_it_is_left(there: tuple[Directed, Client], keys: PipeInput) -> None:
    coordinator, console = there
    async with Chat(console, CHAT) as chat:
        screen = Screen(chat, keys)
        coordinator.end()
        await screen.until("ENDED")
        keys.send_text("\x03")
        assert await screen.code() == 130
        assert screen.view.result == coordinator.result


async def test_a_question_is_answered_and_its_badge_goes(there: tuple[Directed, Client], keys: PipeInput) -> None:
    coordinator, console = there
    async with Chat(console, CHAT) as chat:
        screen = Screen(chat, keys)
        await screen.until("coder")
        coordinator.ask(3, Question(text="How much?", chat=CHAT, agent="coder"))
        await screen.until("inbox 1")
        keys.send_text("a500 g\r")
        await until(lambda: coordinator.items[3].answer is not None)
        await screen.until("question 3 is answered")
        keys.send_text("q")
        assert await screen.code() == 0


async def test_a_connection_that_is_over_ends_the_view_with_the_reason(there: tuple[Directed, Client], keys: PipeInput) -> None:
    _, console = there
    async with Chat(console, CHAT) as chat:
        screen = Screen(chat, keys)
        await screen.until("coder")
        console._finish(Refused("the key was revoked"))
        with pytest.raises(Refused, match="revoked"):
            await screen.code()
        assert "\x1b[?1049l" in screen.out.getvalue()


async def test_a_fault_in_the_drawing_gives_the_terminal_back(
    there: tuple[Directed, Client], keys: PipeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, console = there
    async with Chat(console, CHAT) as chat:
        screen = Screen(chat, keys)
        await screen.until("coder")

        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

        monkeypatch.setattr(drawing.Drawing, "screen", broken)
        keys.send_text("?")
        with pytest.raises(ZeroDivisionError):
            await screen.code()
        assert "\x1b[?1049l" in screen.out.getvalue()
