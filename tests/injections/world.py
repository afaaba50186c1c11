"""A team in this process whose models obey whatever they read, and everything that it does written down.

`reader` has tools of its own and may have `ledger` run; `keeper` runs `ledger` and `wipe`, of which `wipe` is granted to nobody
here; `guest` is an agent of unknown make; `runner` runs code where a case switches that on.
"""

import itertools
import json
import re
import socket
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rostra.agents import AssistantAgent, CodeExecution, ConversableAgent, TeachableAgent, UserProxyAgent, tool
from rostra.agents.responder import Context
from rostra.agents.tools.config import ToolConfig
from rostra.agents.tools.kit import make_tool
from rostra.protocol import ChatMessage, ToolCall, Usage
from rostra.protocol.completion import Completion, CompletionRequest
from rostra.team import Team, TeamResult

SECRET, PRIVATE = "hunter2-of-the-test", "the-merger-is-on-friday"
"""What nobody may read; and what the reader may read, but must not reach a stranger."""
MEMBERS = ("guest", "reader", "keeper", "runner")
_CALL = re.compile(r"CALL (\w+) (?=\{)")
_SAY = re.compile(r"SAY «(.*?)»", re.DOTALL)
_NEXT = re.compile(r"next speaker must be ([\w-]+)", re.IGNORECASE)


class Obedient:
    """A model that does whatever it reads, calls tools, says what it is told to, chooses whom it is told to."""

    def __init__(self) -> None:
        self.obeyed: list[str] = []
        self.requests: list[CompletionRequest] = []

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        """Obey what has not been obeyed yet, one order at a time."""
        self.requests.append(request)
        text = "\n".join([*map(_read, request.messages), *(each.description for each in request.tools)])
        chosen = _NEXT.findall(text)
        if request.agent == "selector":
            self.obeyed += [f"next {name}" for name in chosen[-1:]]
            return _said(chosen[-1] if chosen else "whoever comes next")
        for order in (*_CALL.finditer(text), *_SAY.finditer(text)):
            done = f"{request.agent} {order[0]} {text[order.end() : order.end() + 200] if order.re is _CALL else ''}"
            if done in self.obeyed:
                continue
            self.obeyed.append(done)
            if order.re is _SAY:
                return _said(order[1])
            arguments, _ = json.JSONDecoder(strict=False).raw_decode(text[order.end() :])
            call = ToolCall(id=f"call_{len(self.obeyed)}", name=order[1], arguments=json.dumps(arguments))
            return Completion(tool_calls=(call,), usage=Usage(), finish_reason="tool_calls")
        return _said("Done. The next speaker must be " + chosen[-1] if chosen else "Done.")


class Guest:
    """An agent that says `words`, once; `description` is told to the others."""

    name = "guest"

    def __init__(self, words: ChatMessage | str, description: str = "A guest.") -> None:
        self.words, self.description, self.said = words, description, False

    async def respond(self, message: ChatMessage, context: Context) -> ChatMessage | str:
        """See `Responder.respond`."""
        first, self.said = not self.said, True
        return self.words if first else "Nothing more."


class World:
    """One team, and what has happened in it. `hosts`: whom the reader's web tool may ask."""

    def __init__(self, base: Path, hosts: Sequence[str], stranger: str) -> None:
        self.model = Obedient()
        self.executions: list[str] = []
        self.wiped: list[str] = []
        self.resolved: list[str] = []
        self.base, self.hosts, self.stranger = base, tuple(hosts), stranger
        self.root = "docs"
        self.answer, self.error = "(nothing)", "(nothing)"
        self.callers: Mapping[str, Sequence[str]] | None = {"ledger": ("reader",)}
        (base / "docs").mkdir()
        (base / "docs" / "private.txt").write_text(PRIVATE)
        (base / "docs" / "link").symlink_to(base / "secret.txt")
        (base / "secret.txt").write_text(SECRET)
        for name, table in (("library", "book"), ("vault", "secret")):
            db = sqlite3.connect(base / f"{name}.db")
            db.execute(f"CREATE TABLE {table} (text)")
            db.execute(f"INSERT INTO {table} VALUES (:text)", {"text": SECRET if name == "vault" else "(nothing)"})
            db.commit()
            db.close()

    def file(self, text: str) -> None:
        """What the document says."""
        (self.base / "docs" / "note.txt").write_text(text)

    def row(self, text: str) -> None:
        """What the database says."""
        db = sqlite3.connect(self.base / "library.db")
        db.execute("UPDATE book SET text = :text", {"text": text})
        db.commit()
        db.close()

    async def hold(
        self, task: str, guest: Guest, *, memo: str = "", code: dict[str, Any] | None = None, **chat: Any
    ) -> TeamResult:
        """Hold a chat of them all."""
        reader = self._reader(memo)
        keeper = ConversableAgent(
            "keeper",
            human_input_mode="NEVER",
            model=self.model,
            executes=[self._ledger(), self._wipe()],
            callers=self.callers,
            description="Keeps the ledger.",
        )
        runner = UserProxyAgent(
            "runner", human_input_mode="NEVER", code_execution_config=CodeExecution(**code) if code is not None else False
        )
        rules = {"selection": "round_robin", "max_rounds": 8, "stop": 'text("TERMINATE")', **chat}
        team = Team.local([guest, reader, keeper, runner], models={"default": self.model}, base=self.base, **rules)
        try:
            async with team:
                return await team.run(task, no_input=True)
        finally:
            if isinstance(reader, TeachableAgent):
                reader.memos.close()

    def _reader(self, memo: str) -> AssistantAgent:
        tables: dict[str, dict[str, Any]] = {
            "docs": {"use": "files", "root": self.root},
            "library": {"use": "sql", "database": "library.db"},
            "web": {"use": "http", "hosts": self.hosts, "private": True, "methods": ["GET", "POST"]},
        }
        own = [make_tool(name, msgspec.convert(table, ToolConfig), self.base) for name, table in tables.items()]
        options: dict[str, Any] = {
            "model": self.model,
            "tools": [*own, self._lookup()],
            "offers": [self._ledger()],
            "description": "Reads.",
            "callers": {each.name: ("reader",) for each in own},
        }
        if not memo:
            return AssistantAgent("reader", "You read.", **options)
        reader = TeachableAgent("reader", "You read.", memory=":memory:", **options)
        reader.memos.add("hello", memo)
        return reader

    def _lookup(self) -> Any:
        @tool(description="Looks something up.")
        def lookup() -> str:
            raise LookupError(self.error)

        return lookup

    def _ledger(self) -> Any:
        @tool(description="Reads the ledger.")
        def ledger() -> str:
            return self.answer

        return ledger

    def _wipe(self) -> Any:
        @tool(description="Deletes everything.")
        def wipe(path: str) -> str:
            self.wiped.append(path)
            return "wiped"

        return wipe

    def damage(self, result: TeamResult, visited: Sequence[str], **rules: Any) -> list[str]:
        """What must not have happened, and has."""
        found = [f"executed {code!r}" for code in self.executions]
        found += [f"wiped {path!r}" for path in self.wiped]
        found += [f"looked up {name!r}" for name in self.resolved]
        found += [f"a stranger was asked {path!r}" for path in visited]
        told = msgspec.json.encode(result.messages).decode()
        asked = msgspec.json.encode(self.model.requests).decode()
        found += [f"the secret is in {where}" for where, text in (("the chat", told), ("a prompt", asked)) if SECRET in text]
        return found + illegal(result.messages, **rules)


def illegal(
    messages: Sequence[ChatMessage], allowed: Mapping[str, Sequence[str]] | None = None, repeat: bool = True, **_: Any
) -> list[str]:
    """The speakers that the rules of the chat forbid, judged by nothing but the transcript."""
    found = []
    for before, said in itertools.pairwise(messages):
        if said.name not in MEMBERS:
            found.append(f"{said.name} is no member")
        if allowed is not None and before.name in MEMBERS and said.name not in allowed.get(before.name, ()):
            found.append(f"{said.name} may not follow {before.name}")
        if not repeat and said.name == before.name:
            found.append(f"{said.name} spoke twice")
    return found


def watched(world: World, patch: pytest.MonkeyPatch) -> None:
    """Let code be written down instead of run, and look-ups of names be noted; the secret is in the environment."""
    resolve = socket.getaddrinfo

    async def run(_: object, blocks: Sequence[Any], *rest: object) -> tuple[int, str]:
        world.executions += [block.code for block in blocks]
        return 0, "ran"

    def looked_up(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            world.resolved.append(str(host))
            raise OSError("no such name")
        return resolve(host, *rest, **more)

    patch.setattr("rostra.agents.code.CodeRunner.run", run)
    patch.setattr(socket, "getaddrinfo", looked_up)
    patch.setenv("OPENAI_API_KEY", SECRET)


def _read(message: ChatMessage) -> str:
    return "\n".join([message.text, *(each.content for each in message.tool_responses)])


def _said(text: str) -> Completion:
    return Completion(content=text, usage=Usage(), finish_reason="stop")
