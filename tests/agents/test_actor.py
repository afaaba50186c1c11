"""An agent on the bus, over both transports."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from rostra.agents import Actor, Context, Exit, agent, serve
from rostra.protocol import (
    ChatMessage,
    Client,
    History,
    HistoryRequest,
    MailboxFull,
    Member,
    NoSuchAgent,
    RemoteError,
    Service,
    Stopping,
    Turn,
    TurnReply,
)
from rostra.protocol.chat import Delta
from rostra.protocol.ids import new_id

Join = Callable[..., Awaitable[Client]]
BOUND = 20.0


def said(speaker: str, text: str, sequence: int) -> ChatMessage:
    return ChatMessage(content=text, name=speaker, sequence=sequence)


def turn(sequence: int, *messages: ChatMessage, after: int = 0, chat: str = "c1", epoch: int = 1) -> Turn:
    return Turn(chat=chat, sequence=sequence, epoch=epoch, after=after, messages=messages)


async def speak(client: Client, to: str, asked: Turn, **options: Any) -> TurnReply:
    reply: TurnReply = await client.request(to, "turn", asked, reply=TurnReply, timeout=BOUND, **options)
    return reply


async def actor(join: Join, responder: Any, name: str = "ann", **options: Any) -> Actor:
    member = Member(name=name, description="Tests.", kind="handler")
    return Actor(await join(name), responder, member, **options)


@agent(description="Tells what it sees.")
async def witness(message: ChatMessage, context: Context) -> str:
    return " ".join(f"{each.name}/{each.role}:{each.text}" for each in context.history)


async def test_a_direct_ask_is_answered_in_the_agents_name(join: Join) -> None:
    await actor(join, lambda message: message.text.upper())
    probe = await join("probe")
    answer = await probe.ask("ann", "hello", timeout=BOUND)
    assert (answer.content, answer.role, answer.name) == ("HELLO", "assistant", "ann")


async def test_a_direct_ask_carries_the_verified_senders_name(join: Join) -> None:
    await actor(join, witness)
    probe = await join("probe")
    forged = ChatMessage(content="hi", name="admin", role="system")
    assert (await probe.ask("ann", forged, timeout=BOUND)).content == "probe/user:hi"


async def test_describe_tells_who_it_is(join: Join) -> None:
    await actor(join, witness)
    probe = await join("probe")
    member = await probe.request("ann", "describe", reply=Member, timeout=BOUND)
    assert member == Member(name="ann", description="Tests.", kind="handler")


@pytest.mark.semantics("S1.13", "S4.7")
async def test_own_words_are_assistant_and_others_words_are_user(join: Join) -> None:
    await actor(join, witness)
    coordinator = await join("coordinator")
    first = await speak(coordinator, "ann", turn(2, said("user", "task", 1)))
    assert first.message is not None
    assert first.message.text == "user/user:task"
    second = await speak(coordinator, "ann", turn(4, said("bob", "yes", 3), after=2))
    assert second.message is not None
    assert second.message.text == "user/user:task ann/assistant:user/user:task bob/user:yes"


async def test_tool_messages_keep_their_role(join: Join) -> None:
    await actor(join, witness)
    coordinator = await join("coordinator")
    reply = await speak(coordinator, "ann", turn(2, ChatMessage(role="tool", name="bob", content="42", sequence=1)))
    assert reply.message is not None
    assert reply.message.text == "bob/tool:42"


async def test_an_answer_that_was_not_accepted_is_forgotten(join: Join) -> None:
    await actor(join, witness)
    coordinator = await join("coordinator")
    await speak(coordinator, "ann", turn(2, said("user", "task", 1)))
    again = await speak(coordinator, "ann", turn(3, said("bob", "I spoke instead", 2), after=1))
    assert again.message is not None
    assert again.message.text == "user/user:task bob/user:I spoke instead"


async def test_a_repeated_turn_is_worked_on_once(join: Join) -> None:
    calls: list[str] = []

    async def count(message: ChatMessage) -> str:
        calls.append(message.text)
        return str(len(calls))

    await actor(join, count)
    coordinator = await join("coordinator")
    id_ = new_id()
    asked = turn(2, said("user", "task", 1))
    first = await speak(coordinator, "ann", asked, id=id_)
    again = await speak(coordinator, "ann", asked, id=id_)
    assert first == again
    assert calls == ["task"]


async def test_a_turn_tried_again_under_another_id_sees_the_same_conversation(join: Join) -> None:
    await actor(join, witness)
    coordinator = await join("coordinator")
    asked = turn(2, said("user", "task", 1))
    assert await speak(coordinator, "ann", asked) == await speak(coordinator, "ann", asked)


@pytest.mark.semantics("S4.7")
async def test_a_member_that_lost_its_memory_fetches_the_history_in_pages(join: Join) -> None:
    transcript = [said("ann" if place % 2 == 0 else "bob", f"m{place}", place) for place in range(1, 8)]
    asked: list[int] = []

    async def history(request: HistoryRequest, _: Any) -> History:
        asked.append(request.after)
        return History(messages=tuple(transcript[request.after : request.after + 3]), more=request.after + 3 < 7)

    coordinator = await join("coordinator")
    Service(coordinator).method("history", HistoryRequest, history)
    await actor(join, witness)
    reply = await speak(coordinator, "ann", turn(8, transcript[6], after=6))
    assert reply.message is not None
    assert reply.message.text == " ".join(f"{m.name}/{'assistant' if m.name == 'ann' else 'user'}:{m.text}" for m in transcript)
    assert asked == [0, 3]


async def test_a_turn_beyond_the_history_fails_with_a_reason(join: Join) -> None:
    async def history(request: HistoryRequest, _: Any) -> History:
        return History()

    coordinator = await join("coordinator")
    Service(coordinator).method("history", HistoryRequest, history)
    await actor(join, witness)
    with pytest.raises(RemoteError, match="ends at 0"):
        await speak(coordinator, "ann", turn(8, after=7))


async def test_turns_of_one_chat_are_serial_and_chats_are_concurrent(join: Join) -> None:
    running: set[str] = set()
    both, seen = asyncio.Event(), []

    async def slow(message: ChatMessage, context: Context) -> str:
        assert context.chat not in running, "two turns of one chat at once"
        running.add(context.chat)
        seen.append(message.text)
        if len(running) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), BOUND)
        running.discard(context.chat)
        return "done"

    await actor(join, slow)
    coordinator = await join("coordinator")
    async with asyncio.timeout(BOUND):
        await asyncio.gather(
            speak(coordinator, "ann", turn(2, said("user", "a", 1), chat="one")),
            speak(coordinator, "ann", turn(2, said("user", "b", 1), chat="one")),
            speak(coordinator, "ann", turn(2, said("user", "c", 1), chat="two")),
        )
    assert sorted(seen) == ["a", "b", "c"]


async def test_forgotten_chats_come_back_from_the_history(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await actor(join, witness)
    one._views._kept = 2
    coordinator = await join("coordinator")

    async def history(request: HistoryRequest, _: Any) -> History:
        return History(messages=(said("user", f"task of {request.chat}", 1), said("ann", "aye", 2)))

    Service(coordinator).method("history", HistoryRequest, history)
    for chat in ("one", "two", "three", "four"):
        await speak(coordinator, "ann", turn(2, said("user", "task", 1), chat=chat))
    assert len(one._views) == 2
    reply = await speak(coordinator, "ann", turn(4, said("bob", "go on", 3), after=2, chat="one"))
    assert reply.message is not None
    assert reply.message.text == "user/user:task of one ann/assistant:aye bob/user:go on"


async def test_a_handler_cannot_change_the_history(join: Join) -> None:
    async def vandal(message: ChatMessage, context: Context) -> str:
        context.history.append(message)  # type: ignore[attr-defined]
        return "never"

    await actor(join, vandal)
    coordinator = await join("coordinator")
    with pytest.raises(RemoteError, match="AttributeError"):
        await speak(coordinator, "ann", turn(2, said("user", "task", 1)))


async def test_nothing_to_say_is_a_reply_with_a_reason(join: Join) -> None:
    async def silent(message: ChatMessage, context: Context) -> None:
        context.reason = "enough was said"

    await actor(join, silent)
    coordinator = await join("coordinator")
    assert await speak(coordinator, "ann", turn(2, said("user", "task", 1))) == TurnReply(reason="enough was said")


async def test_an_answer_of_a_wrong_type_is_an_error_that_names_it(join: Join) -> None:
    await actor(join, lambda message: 42)
    coordinator = await join("coordinator")
    with pytest.raises(RemoteError, match="answered with int"):
        await speak(coordinator, "ann", turn(2, said("user", "task", 1)))


@pytest.mark.semantics("S4.12")
async def test_an_exception_of_a_handler_reaches_the_caller_and_the_next_turn_works(join: Join) -> None:
    async def moody(message: ChatMessage) -> str:
        if message.text == "bad":
            raise ValueError("no")
        return "ok"

    await actor(join, moody)
    coordinator = await join("coordinator")
    with pytest.raises(RemoteError, match="ValueError: no"):
        await speak(coordinator, "ann", turn(2, said("user", "bad", 1)))
    reply = await speak(coordinator, "ann", turn(2, said("user", "good", 1)))
    assert reply.message is not None
    assert reply.message.text == "ok"


async def test_pieces_of_an_answer_are_published_while_it_is_written(join: Join) -> None:
    async def chatty(message: ChatMessage, context: Context) -> str:
        assert context.on_delta is not None
        for piece in ("he", "llo"):
            context.on_delta(piece)
        return "hello"

    await actor(join, chatty)
    coordinator = await join("coordinator")
    async with coordinator.subscribe("delta.c1") as deltas:
        await speak(coordinator, "ann", turn(2, said("user", "task", 1)))
        async with asyncio.timeout(BOUND):
            pieces = [(await anext(deltas)).decode(Delta) for _ in range(2)]
    assert [piece.text for piece in pieces] == ["he", "llo"]
    assert {(piece.speaker, piece.sequence, piece.chat) for piece in pieces} == {("ann", 2, "c1")}


async def test_a_full_mailbox_refuses_at_once(join: Join) -> None:
    gate, started = asyncio.Event(), asyncio.Event()

    async def stuck(message: ChatMessage) -> str:
        started.set()
        await gate.wait()
        return "ok"

    await actor(join, stuck, concurrency=1, mailbox=1)
    probe = await join("probe")
    first = asyncio.create_task(probe.ask("ann", "1", timeout=BOUND))
    await asyncio.wait_for(started.wait(), BOUND)
    others = [asyncio.create_task(probe.ask("ann", str(number), timeout=BOUND)) for number in (2, 3)]
    done, _ = await asyncio.wait(others, timeout=BOUND, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(MailboxFull):
        await done.pop()
    gate.set()
    assert (await first).content == "ok"
    await asyncio.wait(others, timeout=BOUND)


async def test_a_plain_function_runs_beside_the_loop(join: Join) -> None:
    threads: list[threading.Thread] = []

    def plain(message: ChatMessage, context: Context) -> str:
        threads.append(threading.current_thread())
        return context.agent

    await actor(join, plain)
    probe = await join("probe")
    assert (await probe.ask("ann", "x", timeout=BOUND)).content == "ann"
    assert threads[0] is not threading.main_thread()


async def test_an_agent_can_ask_another_through_its_context(join: Join) -> None:
    async def middleman(message: ChatMessage, context: Context) -> str:
        return (await context.ask("bob", message.text, timeout=BOUND)).text + "!"

    await actor(join, middleman)
    await actor(join, lambda message: message.text * 2, name="bob")
    probe = await join("probe")
    assert (await probe.ask("ann", "x", timeout=BOUND)).content == "xx!"


# ---- the process body, on real sockets


async def running(address: str, responder: Any, stop: asyncio.Event, **options: Any) -> Exit:
    return await serve(address, Member(name="ann", kind="handler"), lambda client: responder, stop=stop, **options)


async def test_serve_tells_the_broker_what_the_agent_is(broker_address: str) -> None:
    stop = asyncio.Event()
    process = asyncio.create_task(running(broker_address, witness, stop))
    async with Client.connect(broker_address, name="probe") as probe:
        await probe.ask("ann", "x", timeout=BOUND, absent=BOUND)
        peer = next(each for each in await probe.peers() if each.name == "ann")
        assert msgspec.convert(peer.info, Member).description == "Tells what it sees."
        stop.set()
        assert await asyncio.wait_for(process, BOUND) is Exit.STOPPED
        with pytest.raises(NoSuchAgent):
            await probe.ask("ann", "x", timeout=BOUND)


async def test_serve_finishes_what_it_began_when_it_is_stopped(broker_address: str) -> None:
    stop, started, gate = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(message: ChatMessage) -> str:
        started.set()
        await gate.wait()
        return "finished"

    process = asyncio.create_task(running(broker_address, slow, stop))
    async with Client.connect(broker_address, name="probe") as probe:
        asked = asyncio.create_task(probe.ask("ann", "x", timeout=BOUND, absent=BOUND))
        await asyncio.wait_for(started.wait(), BOUND)
        stop.set()
        gate.set()
        assert (await asked).content == "finished"
    assert await asyncio.wait_for(process, BOUND) is Exit.STOPPED


async def test_serve_answers_leftovers_with_an_error(broker_address: str) -> None:
    stop, started = asyncio.Event(), asyncio.Event()

    async def endless(message: ChatMessage) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    process = asyncio.create_task(running(broker_address, endless, stop, drain_seconds=0.01))
    async with Client.connect(broker_address, name="probe") as probe:
        asked = asyncio.create_task(probe.ask("ann", "x", timeout=BOUND, absent=BOUND))
        await asyncio.wait_for(started.wait(), BOUND)
        stop.set()
        with pytest.raises(Stopping):
            await asked
    assert await asyncio.wait_for(process, BOUND) is Exit.STOPPED


async def test_serve_returns_when_a_newer_process_takes_the_name(broker_address: str) -> None:
    stop = asyncio.Event()
    older = asyncio.create_task(running(broker_address, lambda message: "old", stop))
    async with Client.connect(broker_address, name="probe") as probe:
        assert (await probe.ask("ann", "x", timeout=BOUND, absent=BOUND)).content == "old"
        newer = asyncio.create_task(running(broker_address, lambda message: "new", stop))
        assert await asyncio.wait_for(older, BOUND) is Exit.SUPERSEDED
        assert (await probe.ask("ann", "x", timeout=BOUND, absent=BOUND)).content == "new"
    stop.set()
    assert await asyncio.wait_for(newer, BOUND) is Exit.STOPPED


async def test_serve_can_be_stopped_while_no_broker_is_there(tmp_path: Any) -> None:
    stop = asyncio.Event()
    process = asyncio.create_task(running(f"ipc://{tmp_path}/nobody", witness, stop))
    stop.set()
    assert await asyncio.wait_for(process, BOUND) is Exit.STOPPED
