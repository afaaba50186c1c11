"""Who speaks next, on a bus: chosen by a model, a person or a function, and why."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from rostra.protocol import COORDINATOR, GATEWAY, ChatMessage, Incoming, Service, Usage
from rostra.protocol.chat import ChatEvent, ChatRef, InboxAnswer, InboxItem, Why
from rostra.protocol.completion import Completion, CompletionRequest

from .team import Join, Open, Slow, Speaker, events_until_result, hold, info, options, said, start


@pytest.mark.semantics("S2.13", "S4.13")
async def test_the_model_selects_and_its_answers_are_on_record(join: Join, held: Open) -> None:
    asked: list[CompletionRequest] = []
    answers = iter(("either coder or critic", "Critic", "coder"))

    async def complete(request: CompletionRequest, _: Incoming) -> Completion:
        asked.append(request)
        return Completion(content=next(answers), model="m1", usage=Usage(prompt_tokens=3, completion_tokens=1))

    gateway = Service(await join(GATEWAY))
    gateway.method("complete", CompletionRequest, complete)
    for name in ("coder", "critic"):
        Speaker(await join(name))
    await held(options("coder", "critic", max_rounds=3, selection="auto", selector_model="selector"))
    console = await join("console-1")
    result, events = await hold(console)
    assert [name for name, _ in said(events)] == ["user", "critic", "coder"]
    assert [(one.agent, one.ordinal, one.model) for one in asked] == [("selector", n, "selector") for n in range(3)]
    whys = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1"), reply=list[Why])
    assert [why.answers for why in whys] == [("either coder or critic", "Critic"), ("coder",)]
    assert result.usage.tokens == 2 * 15 + 3 * 4
    one = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1", sequence=3), reply=list[Why])
    assert [why.speaker for why in one] == ["coder"]


@pytest.mark.semantics("S4.3", "S4.15")
async def test_a_person_chooses_the_speaker_through_the_inbox(join: Join, held: Open) -> None:
    for name in ("a", "b"):
        Speaker(await join(name))
    await held(options("a", "b", max_rounds=3, selection="manual"))
    console = await join("console-1")
    async with console.subscribe("inbox") as inbox, console.subscribe("chat.c1") as events:
        await start(console, chat="c1")
        for text in ("7", "2", "q"):
            question = (await anext(aiter(inbox))).decode(ChatEvent)
            while question.type != "question":
                question = (await anext(aiter(inbox))).decode(ChatEvent)
            await console.request(COORDINATOR, "inbox.answer", InboxAnswer(number=question.question, text=text), reply=InboxItem)
        seen = await events_until_result(events)
    assert said(seen)[1:] == [("b", "b at 2"), ("a", "a at 3")]
    whys = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1"), reply=list[Why])
    assert "console-1" in whys[0].reason
    assert "left the choice open" in whys[1].fallback


@pytest.mark.semantics("S2.3", "S4.2")
async def test_a_function_selects_in_a_thread_and_what_it_does_wrong_is_mended(join: Join, held: Open) -> None:
    choices: list[Any] = ["b", "nobody-known", ValueError("oops"), "random", None]
    threads: list[threading.Thread] = []

    def choose(_: str, __: Sequence[ChatMessage]) -> Any:
        threads.append(threading.current_thread())
        choice = choices.pop(0)
        if isinstance(choice, Exception):
            raise choice
        return choice

    for name in ("a", "b"):
        Speaker(await join(name))
    await held(options("a", "b", selection=choose))
    console = await join("console-1")
    result, events = await hold(console)
    assert (result.outcome, result.stop_reason) == ("ended", "the selection function ended the chat")
    assert [name for name, _ in said(events)][:4] == ["user", "b", "a", "b"]
    whys = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1"), reply=list[Why])
    assert [why.method for why in whys] == ["callable", "round_robin", "round_robin", "random"]
    assert "nobody-known" in whys[1].fallback
    assert "oops" in whys[2].fallback
    assert threading.main_thread() not in threads


async def test_why_tells_of_the_open_turn_too(join: Join, held: Open) -> None:
    slow = Slow()
    Speaker(await join("a"), slow)
    Speaker(await join("b"))
    await held(options("a", "b"))
    console = await join("console-1")
    await start(console, chat="c1")
    await asyncio.wait_for(slow.reached.wait(), 10)
    (why,) = await console.request(COORDINATOR, "chat.why", ChatRef(chat="c1", sequence=2), reply=list[Why])
    assert (why.speaker, why.method, why.reason) == ("a", "round_robin", "next in rotation")
    assert (await info(console, "c1")).speaker == "a"
