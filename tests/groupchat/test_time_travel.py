"""A chat is rewound, forked, checked and searched on the bus; what was said before stands as it was."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rostra.groupchat.replaying import replay
from rostra.protocol import COORDINATOR, Refused
from rostra.protocol.chat import ChatInfo, ChatRewind, Found, SearchRequest

from .console import control, intact, messages, reach, records, script
from .team import Join, Speaker, hold, holding, info, options


async def test_an_ended_chat_is_rewound_edited_and_goes_on(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", max_rounds=6)):
        await hold(console)
        before = await records(console)
        wish = ChatRewind(chat="c1", sequence=3, content="no: like this", name="user")
        await console.request(COORDINATOR, "chat.rewind", wish, reply=ChatInfo)
        await reach(console, "ended", 6)
        assert (await messages(console))[2:] == [("b", "b at 3"), ("user", "no: like this"), ("a", "a at 5"), ("b", "b at 6")]
        after = await records(console)
        assert [one.hash for one in after.records[: len(before.records)]] == [one.hash for one in before.records]
        assert [one.sequence for one in after.records if one.rewound] == [4, 5, 6]
        await intact(console)
        with pytest.raises(Refused, match="no message 7"):
            await console.request(COORDINATOR, "chat.rewind", ChatRewind(chat="c1", sequence=7), reply=ChatInfo)
        assert (await info(console, "c1")).state == "ended"


async def test_a_fork_at_every_message_has_an_equal_prefix_and_goes_on(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", "c", max_rounds=30)) as held:
        await hold(console)
        whole = await held.transcript.history("c1", 0, 1000)
        assert len(whole.messages) == 30
        for place in range(1, 31):
            fork = ChatRewind(chat="c1", sequence=place, fork=f"f{place}", paused=True)
            made: ChatInfo = await console.request(COORDINATOR, "chat.fork", fork, reply=ChatInfo)
            assert (made.messages, made.parent) == (place, "c1")
            assert (await held.transcript.history(made.chat, 0, 1000)).messages == whole.messages[:place]
            await intact(console, made.chat)
            await reach(console, "paused" if place < 30 else "ended", place, made.chat)  # the last one is at its limit
            again = await script(console, made.chat)
            assert [record.message for record in again.records if record.sequence] == list(whole.messages[:place])
            assert replay(again) == []
            if place < 29:  # the last one ends it
                await control(console, "step", made.chat)
                await reach(console, "paused", place + 1, made.chat)
                assert (await messages(console, made.chat))[place] == (await messages(console))[place]
        assert len((await held.transcript.history("c1", 0, 1000)).messages) == 30
        with pytest.raises(Refused, match="exists already"):
            await console.request(COORDINATOR, "chat.fork", ChatRewind(chat="c1", sequence=2, fork="f2"), reply=ChatInfo)


async def test_one_changed_byte_in_any_of_thirty_messages_fails_the_replay(join: Join, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Speaker(await join(name))
    console = await join("console-1")
    async with holding(join, tmp_path, options("a", "b", "c", max_rounds=30)):
        await hold(console)
        whole = await script(console)
    assert replay(whole) == []
    for place, record in enumerate(whole.records):
        assert record.message is not None
        text = record.message.text
        at = place % len(text)
        message = msgspec.structs.replace(record.message, content=f"{text[:at]}{chr(ord(text[at]) ^ 1)}{text[at + 1 :]}")
        records = (*whole.records[:place], msgspec.structs.replace(record, message=message), *whole.records[place + 1 :])
        found = replay(msgspec.structs.replace(whole, records=records))
        assert found == [f"row {record.number} (message {place + 1}) is not what was written"]


async def test_what_was_said_is_found_by_its_words(join: Join, tmp_path: Path) -> None:
    Speaker(await join("a"), lambda turn: "The broker's mailbox is a file.")
    Speaker(await join("b"), lambda turn: f"Nobody reads the mailbox of {turn.chat}.")
    console = await join("console-1")

    async def search(query: str, **rest: Any) -> list[tuple[str, int, str]]:
        found = await console.request(COORDINATOR, "chat.search", SearchRequest(query=query, **rest), reply=list[Found])
        return sorted((one.chat, one.sequence, one.speaker) for one in found)

    async with holding(join, tmp_path, options("a", "b", max_rounds=3)):
        await hold(console)
        await hold(console, "another task", "c2")
        assert await search("mailbox") == [("c1", 2, "a"), ("c1", 3, "b"), ("c2", 2, "a"), ("c2", 3, "b")]
        assert await search("mailbox", chat="c2", speaker="b") == [("c2", 3, "b")]
        assert await search("nobody c1") == [("c1", 3, "b")]
        assert await search("broker's (") == [("c1", 2, "a"), ("c2", 2, "a")]
        assert await search('"another task"') == [("c2", 1, "user")]
        await console.request(COORDINATOR, "chat.rewind", ChatRewind(chat="c1", sequence=2, paused=True), reply=ChatInfo)
        assert await search("mailbox", chat="c1") == [("c1", 2, "a")]
        with pytest.raises(Refused, match="no word"):
            await search('"')
