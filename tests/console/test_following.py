"""Following and watching a chat: in order, each message once, whatever is lost; and the person at the terminal."""

import asyncio
import io
import os
import pty
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests import processes

from rostra.broker.memory import MemoryBroker
from rostra.console.connection import person_name
from rostra.console.following import Chat, Followed, Reconnected
from rostra.console.live import Live
from rostra.console.person import Person
from rostra.console.terminal import Style
from rostra.console.watching import JsonView, Watch
from rostra.protocol import (
    Answer,
    BrokerLost,
    Client,
    Question,
)
from rostra.protocol.chat import ChatEvent, Delta, InboxAnswer, InboxItem, Result
from rostra.team import chats

from .transcriber import CHAT, Transcriber


@pytest.fixture
def bus() -> Callable[[str], Client]:
    broker = MemoryBroker()
    return lambda name: Client(broker.transport(), name=name)


@pytest.fixture
async def there(bus: Callable[[str], Client]) -> AsyncIterator[Transcriber]:
    async with bus("coordinator") as client:
        yield Transcriber(client)


@pytest.fixture
async def console(bus: Callable[[str], Client], there: Transcriber) -> AsyncIterator[Client]:
    async with bus("console-abcdef") as client:
        yield client


def texts(events: list[Followed]) -> list[str]:
    return [event.message.text for event in events if isinstance(event, ChatEvent) and event.message is not None]


async def followed(chat: Chat, **options: Any) -> list[Followed]:
    async with asyncio.timeout(20):
        return [event async for event in chat.events(**options)]


async def test_a_chat_is_followed_from_its_beginning_to_its_result(there: Transcriber, console: Client) -> None:
    for text in ("one", "two", "three"):
        there.say(text)
    async with Chat(console, CHAT) as chat:
        following = asyncio.create_task(followed(chat))
        there.say("four")
        there.end()
        events = await following
    assert texts(events) == ["one", "two", "three", "four"]
    assert isinstance(events[-1], ChatEvent)
    assert events[-1].result == there.result


async def test_a_message_whose_event_was_lost_is_fetched_before_the_next_one(there: Transcriber, console: Client) -> None:
    async with Chat(console, CHAT) as chat:
        following = asyncio.create_task(followed(chat))
        there.say("one")
        there.say("two", heard=False)
        there.say("three", heard=False)
        there.say("four")
        there.end()
        assert texts(await following) == ["one", "two", "three", "four"]


async def test_messages_that_are_only_in_the_transcript_come_before_the_result(there: Transcriber, console: Client) -> None:
    async with Chat(console, CHAT) as chat:
        following = asyncio.create_task(followed(chat))
        there.say("one", heard=False)
        there.end()
        events = await following
    assert texts(events) == ["one"]
    assert getattr(events[-1], "type", "") == "result"


async def test_a_message_too_large_for_an_event_is_fetched(there: Transcriber, console: Client) -> None:
    async with Chat(console, CHAT) as chat:
        following = asyncio.create_task(followed(chat))
        there.say("large", heard=False)
        there.publish(type="message", sequence=1, speaker="coder")
        there.say("small")
        there.end()
        assert texts(await following) == ["large", "small"]


async def test_a_lost_result_is_found_when_the_broker_is_back(there: Transcriber, console: Client) -> None:
    async with Chat(console, CHAT) as chat:
        following = asyncio.create_task(followed(chat))
        there.say("one", heard=False)
        there.end(heard=False)
        assert console.on_bound is not None
        console.on_bound(True)
        events = await following
    assert texts(events) == ["one"]
    assert Reconnected(fresh=True) in events


async def test_a_broker_that_does_not_come_back_is_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chats, "QUIET", 0.2)
    monkeypatch.setattr(chats, "SECONDS", 1.0)
    async with (
        processes.broker(tmp_path) as (broker, address),
        Client.connect(address, name="coordinator") as coordinator,
        Client.connect(address, name="console-abcdef") as console,
        Chat(console, CHAT) as chat,
    ):
        Transcriber(coordinator).say("one")
        events = aiter(chat.events())
        while not texts([await anext(events)]):
            pass
        await broker.kill()
        async with asyncio.timeout(20):
            with pytest.raises(BrokerLost, match="did not come back"):
                assert not texts([event async for event in events])


async def test_following_begins_after_a_place(there: Transcriber, console: Client) -> None:
    for text in ("one", "two", "three"):
        there.say(text)
    there.end()
    async with Chat(console, CHAT) as chat:
        assert texts(await followed(chat, after=2)) == ["three"]


async def test_what_is_no_event_is_passed_over(there: Transcriber, console: Client) -> None:
    async with Chat(console, CHAT) as chat:
        following = asyncio.create_task(followed(chat))
        there.client.publish(f"chat.{CHAT}", "nonsense")
        there.say("one")
        there.end()
        assert texts(await following) == ["one"]


async def test_a_resting_chat_is_over_for_who_asks_nobody_and_goes_on_for_others(there: Transcriber, console: Client) -> None:
    rests = Result(chat=CHAT, outcome="waits", stop_reason="coder waits for a person")
    there.state, there.result = "paused", rests
    async with Chat(console, CHAT) as chat:
        events = await followed(chat)
        assert [event.result for event in events if isinstance(event, ChatEvent)] == [rests]
    async with Chat(console, CHAT, through_rest=True) as chat:
        following = asyncio.create_task(followed(chat))
        there.publish(type="result", result=rests)
        there.state, there.result = "running", None
        there.say("one")
        there.end()
        assert texts(await following) == ["one"]


class Typist:
    """A person at a terminal of their own."""

    def __init__(self) -> None:
        self.keys, self.terminal = pty.openpty()
        self.screen = io.StringIO()
        self.person = Person(self.screen, self.terminal)

    def types(self, text: str) -> None:
        os.write(self.keys, text.encode())

    def leaves(self) -> None:
        os.close(self.keys)
        os.close(self.terminal)


@pytest.fixture
def typist() -> Any:
    typist = Typist()
    yield typist
    typist.leaves()


async def watched(there: Transcriber, console: Client, person: Person | None, act: Callable[[Watch], Any]) -> str:
    out = io.StringIO()
    style = Style(colour=False)
    async with Chat(console, CHAT) as chat, asyncio.timeout(20):
        watch = Watch(chat, Live(out, out, streaming=False, style=style, notes_style=style), person=person)
        watching = asyncio.create_task(watch.run())
        there.say("the task")
        await until(lambda: "the task" in out.getvalue())
        await act(watch)
        result = await watching
        assert result is not None
        assert result.outcome == "ended"
    return out.getvalue()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is no event to wait on
            await asyncio.sleep(0.005)


async def test_a_person_answers_a_question(there: Transcriber, console: Client, typist: Typist) -> None:
    async def act(_: Watch) -> None:
        there.ask(7, Question(text="Which colour?", chat=CHAT, agent="coder"))
        await until(lambda: "your answer> " in typist.screen.getvalue())
        typist.types("blue\n")
        await until(lambda: there.items[7].answer is not None)
        there.end()

    shown = await watched(there, console, typist.person, act)
    assert there.items[7].answer == Answer(text="blue", by=person_name())
    assert "? coder asks (question 7):\n    Which colour?\n" in shown


async def test_an_option_is_chosen_by_its_number_and_the_default_by_nothing(
    there: Transcriber, console: Client, typist: Typist
) -> None:
    async def act(_: Watch) -> None:
        there.ask(1, Question(text="Run it?", chat=CHAT, options=("approve", "deny")))
        there.ask(2, Question(text="Which?", chat=CHAT, default="any"))
        await until(lambda: "your answer> " in typist.screen.getvalue())
        typist.types("2\n")
        await until(lambda: "your answer [any]> " in typist.screen.getvalue())
        typist.types("\n")
        await until(lambda: there.items[2].answer is not None)
        there.end()

    await watched(there, console, typist.person, act)
    assert [item.answer.text for item in there.items.values() if item.answer] == ["deny", "any"]


async def test_a_question_that_somebody_else_answers_is_taken_back(there: Transcriber, console: Client, typist: Typist) -> None:
    async def act(watch: Watch) -> None:
        there.ask(1, Question(text="Which?", chat=CHAT))
        await until(lambda: "your answer> " in typist.screen.getvalue())
        await there._answer(InboxAnswer(number=1, text="this", by="console-000000"), None)  # type: ignore[arg-type]
        there.ask(2, Question(text="And now?", chat=CHAT))
        await until(lambda: typist.screen.getvalue().count("your answer> ") == 2)
        typist.types("that\n")
        await until(lambda: there.items[2].answer is not None)
        there.end()

    shown = await watched(there, console, typist.person, act)
    assert "question 1 is answered" in shown
    assert there.items[2].answer == Answer(text="that", by=person_name())


async def test_a_question_that_was_open_before_is_asked(there: Transcriber, console: Client, typist: Typist) -> None:
    there.items[3] = InboxItem(number=3, question=Question(text="Still there?", chat=CHAT))

    async def act(_: Watch) -> None:
        await until(lambda: "your answer> " in typist.screen.getvalue())
        typist.types("yes\n")
        await until(lambda: there.items[3].answer is not None)
        there.end()

    assert "Still there?" in await watched(there, console, typist.person, act)


async def test_without_a_person_the_question_stays_in_the_inbox_and_the_command_is_named(
    there: Transcriber, console: Client
) -> None:
    async def act(_: Watch) -> None:
        there.ask(7, Question(text="Which?", chat=CHAT))
        there.end()

    assert "answer it with: rostra answer 7 TEXT" in await watched(there, console, None, act)
    assert there.items[7].answer is None


async def test_an_ended_input_leaves_the_question_in_the_inbox(there: Transcriber, console: Client, typist: Typist) -> None:
    async def act(watch: Watch) -> None:
        there.ask(7, Question(text="Which?", chat=CHAT))
        await until(lambda: "your answer> " in typist.screen.getvalue())
        typist.types("\x04")
        await until(lambda: typist.person.gone)
        there.end()

    assert "it waits in the inbox: rostra answer 7 TEXT" in await watched(there, console, typist.person, act)


@pytest.mark.parametrize("deltas", [False, True])
async def test_pieces_of_answers_are_lines_of_json_when_they_are_wanted(
    there: Transcriber, console: Client, deltas: bool
) -> None:
    out = io.StringIO()
    async with Chat(console, CHAT) as chat, asyncio.timeout(20):
        watching = asyncio.create_task(Watch(chat, JsonView(out, io.StringIO(), deltas=deltas)).run())
        there.say("the task")
        await until(lambda: "the task" in out.getvalue())
        there.client.publish(f"delta.{CHAT}", Delta(chat=CHAT, sequence=2, speaker="coder", text="on"))
        there.say("one")
        there.ask(7, Question(text="Which?", chat=CHAT, agent="coder"))
        await until(lambda: "Which?" in out.getvalue())
        there.end()
        await watching
    lines = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds.count("delta") == int(deltas)
    assert sorted(kind for kind in kinds if kind != "delta") == ["message", "message", "question", "result"]
    assert kinds[-1] == "result"
    assert [line["seq"] for line in lines if line["type"] == "message"] == [1, 2]
    assert lines[-1]["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0, "estimated": False}
