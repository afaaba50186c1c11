"""A person's yes before a tool is called or code is run, and for nothing but that."""

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from rostra.agents import Context, InboxInput, TerminalInput, UserProxyAgent, tool
from rostra.agents.approval import Denied, visible
from rostra.agents.code import CodeExecution, CodeRunner, sandbox
from rostra.agents.code.blocks import find_blocks
from rostra.agents.code.job import Job
from rostra.agents.code.run import Finished
from rostra.agents.code.runner import code_digest
from rostra.agents.human import approval_id
from rostra.agents.tools import FunctionTool
from rostra.protocol import Answer, ChatMessage, Client, Incoming, PeerLost, Question, Service, Stopping, TimedOut, ToolCall
from rostra.protocol.people import MAX_DETAIL, Asking


class Person:
    """Says the same each time; `asked`: what it was shown."""

    def __init__(self, text: str = "yes", by: str = "anna", **other: Any) -> None:
        self._text, self._by, self._other = text, by, other
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        answer = Answer(text=self._text, by=self._by, digest=question.digest)
        return msgspec.structs.replace(answer, **self._other)


class Nobody:
    async def ask(self, question: Question) -> Answer:
        raise TimedOut("nobody answered in time")


def deletion() -> tuple[FunctionTool, list[str]]:
    """A tool that needs an approval, and what it did."""
    done: list[str] = []

    @tool(description="Deletes a file.", approval=True)
    def delete(path: str) -> str:
        done.append(path)
        return f"{path} is gone"

    return delete, done


async def test_a_tool_that_needs_an_approval_is_called_as_it_was_shown() -> None:
    delete, done = deletion()
    anna = Person()
    context = Context(agent="coder", chat="c1", human=anna)
    assert await delete.run('{"path": "/tmp/ä"}', context) == "/tmp/ä is gone"
    (question,) = anna.asked
    assert done == ["/tmp/ä"]
    assert (question.kind, question.form, question.options) == ("tool", "approval", ("yes", "no"))
    assert (question.agent, question.chat) == ("coder", "c1")
    assert question.text == "coder wants to call delete. Approve?"
    assert question.detail == 'delete({\n  "path": "/tmp/ä"\n})'
    assert len(question.digest) == 64


@pytest.mark.parametrize(
    ("person", "told"),
    [
        (Person("no"), "anna did not approve it"),
        (Person("no, use a copy"), "anna did not approve it: no, use a copy"),
        (Person("what is it for?"), "anna did not approve it: what is it for?"),
        (Person(""), "anna did not approve it"),
        (Person("no", by=""), "nobody approved it within 5 s"),
        (Nobody(), "nobody approved it: nobody answered in time"),
        (Person(digest=""), "what was approved is something else"),
        (Person(digest="0" * 64), "what was approved is something else"),
    ],
)
async def test_whatever_is_no_yes_to_exactly_that_is_told_to_the_model_and_nothing_is_done(person: Any, told: str) -> None:
    delete, done = deletion()
    other = delete.needing(Asking(seconds=5.0, assignee="anna"))
    answer = await other.run('{"path": "x"}', Context(agent="coder", human=person))
    assert answer == f"Error: delete was not called: {told}"
    assert done == []
    for question in getattr(person, "asked", ()):
        assert (question.seconds, question.default, question.assignee) == (5.0, "no", "anna")


async def test_nobody_is_asked_about_a_call_that_cannot_be_made() -> None:
    delete, _ = deletion()
    anna = Person()
    for arguments in ("{", '{"path": 1, "where": 2}', "[]"):
        assert (await delete.run(arguments, Context(agent="coder", human=anna))).startswith("Error:")
    assert (await delete.run(json.dumps({"path": "x" * MAX_DETAIL}), Context(agent="coder", human=anna))).startswith(
        "Error: delete was not called: it has 2000"
    )
    assert anna.asked == []


async def test_without_an_inbox_the_terminal_is_asked_and_without_a_terminal_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delete, done = deletion()
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    answer = await delete.run('{"path": "x"}', Context(agent="coder"))
    assert answer.startswith("Error: delete was not called: nobody approved it: coder asks a person")
    shown = io.StringIO()
    terminal = io.StringIO("yes\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    assert await delete.run('{"path": "x"}', Context(agent="coder", human=TerminalInput(terminal, shown))) == "x is gone"
    assert done == ["x"]
    assert shown.getvalue() == 'delete({\n  "path": "x"\n})\ncoder wants to call delete. Approve? [yes / no] '


def test_what_a_screen_would_hide_is_shown() -> None:
    assert visible("a\tb\nc ä ✓") == "a\tb\nc ä ✓"
    assert visible("if x:\u202e # \u200b\x1b[2J") == "if x:\\u202e # \\u200b\\x1b[2J"


# ---- code


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The code that came to the sandbox."""
    codes: list[str] = []

    async def run(job: Job, config: CodeExecution, work: object) -> Finished:
        codes.append(job.code)
        return Finished(exit_code=0, output="done", work=None)

    monkeypatch.setattr(sandbox, "run", run)
    return codes


SAID = "Run this:\n```python\nprint(1)\n```\nand this:\n```sh\nls\n```\n"


async def test_code_is_shown_to_a_person_and_runs_as_it_was_shown(ran: list[str]) -> None:
    anna = Person()
    runner = UserProxyAgent(
        "runner", human_input_mode="NEVER", code_execution_config=CodeExecution(approval=True), asking=Asking(seconds=60.0)
    )
    message = ChatMessage(content=SAID, name="coder")
    answer = await runner.respond(message, Context(agent="runner", chat="c1", history=(message,), human=anna))
    assert isinstance(answer, ChatMessage)
    assert answer.text == "exitcode: 0 (execution succeeded)\nCode output: done\ndone"
    assert ran == ["print(1)\n", "ls\n"]
    (question,) = anna.asked
    assert (question.kind, question.form, question.seconds, question.default) == ("code", "approval", 60.0, "no")
    assert question.text == "runner wants to run this code (bubblewrap, without a network). Approve?"
    assert question.detail == "```python\nprint(1)\n```\n```sh\nls\n```"


async def test_code_that_was_not_approved_is_not_run_and_the_reason_is_told(ran: list[str]) -> None:
    runner = UserProxyAgent("runner", human_input_mode="NEVER", code_execution_config=CodeExecution(approval=True))
    message = ChatMessage(content=SAID, name="coder")
    context = Context(agent="runner", chat="c1", history=(message,), human=Person("no, it lists my files"))
    answer = await runner.respond(message, context)
    assert isinstance(answer, ChatMessage)
    assert answer.text == (
        "exitcode: 126 (execution failed)\nCode output: the code was not run: anna did not approve it: no, it lists my files"
    )
    assert ran == []


async def test_an_approval_is_good_for_one_text_of_the_code_only(ran: list[str]) -> None:
    runner = CodeRunner(CodeExecution(approval=True))
    blocks = find_blocks(SAID)
    approval = await runner._approved(blocks, "runner", "", Person())
    for changed in (SAID.replace("print(1)", "print(2)"), SAID.replace("```sh", "```bash"), SAID + "```sh\nrm -r /\n```\n"):
        with pytest.raises(Denied, match="it is not what was approved"):
            await runner.run(find_blocks(changed), approval=approval)
    with pytest.raises(Denied, match="it is not what was approved"):
        await runner.run(blocks[::-1], approval=approval)
    with pytest.raises(Denied, match="nobody approved it"):
        await runner.run(blocks)
    assert ran == []
    assert await runner.run(blocks, approval=approval) == (0, "done\ndone")
    assert len({code_digest(blocks), code_digest(blocks[:1]), code_digest(blocks[::-1])}) == 3


async def test_without_the_approval_mode_nobody_is_asked(ran: list[str]) -> None:
    runner = CodeRunner(CodeExecution())
    anna = Person()
    await runner.reply((ChatMessage(content=SAID, name="coder"),), "runner", "", anna)
    assert (len(ran), anna.asked) == (2, [])


# ---- over the bus


async def test_a_call_that_is_made_again_asks_under_the_same_id_and_another_call_does_not(join: Callable[..., Any]) -> None:
    asked: list[bytes] = []
    coordinator: Client = await join("coordinator")

    async def ask(question: Question, request: Incoming) -> Answer:
        asked.append(request.id)
        return Answer(text="yes", by="console-1", digest=question.digest)

    Service(coordinator).method("inbox.ask", Question, ask)
    delete, done = deletion()
    calls = [
        ToolCall(id=id_, name="delete", arguments=f'{{"path": "{path}"}}') for id_, path in (("1", "x"), ("2", "x"), ("3", "y"))
    ]
    turn = b"t" * 16
    for name in ("coder", "other"):  # as if another process did the turn of the one that died
        client: Client = await join(name)
        context = Context(agent="coder", turn=turn, client=client, human=InboxInput(client, turn))
        async with asyncio.timeout(20):
            await asyncio.gather(*(delete.run(call.arguments, context) for call in calls))
    assert sorted(done) == ["x"] * 4 + ["y"] * 2
    assert sorted(asked[:3]) == sorted(asked[3:])
    assert len(set(asked)) == 3
    assert approval_id(turn, "ab", 1) != approval_id(turn + b"a", "b", 1)


@pytest.mark.parametrize("error", [Stopping, PeerLost])
async def test_a_question_is_asked_again_when_the_coordinator_went_away(
    join: Callable[..., Any], error: type[Stopping | PeerLost], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rostra.agents.human.PAUSE", 0.01)
    ids: list[bytes] = []
    coordinator: Client = await join("coordinator")

    async def ask(question: Question, request: Incoming) -> Answer:
        return Answer(text="yes")

    Service(coordinator).method("inbox.ask", Question, ask)
    client: Client = await join("coder")
    real = client.request

    async def request(*arguments: Any, **rest: Any) -> Any:
        ids.append(rest["id"])
        if len(ids) < 3:
            raise error("it goes")
        return await real(*arguments, **rest)

    monkeypatch.setattr(client, "request", request)
    async with asyncio.timeout(20):
        assert (await InboxInput(client, b"t" * 16).ask(Question(text="?"))).text == "yes"
    assert len(ids) == 3
    assert len(set(ids)) == 1
