"""`Team`: a team of agents as a program uses it."""

import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rostra.protocol import ChatMessage, Client, Transport, open_transport
from rostra.protocol.chat import ChatEvent, Delta
from rostra.protocol.keys import CONSOLE_KEY

from .chats import Chats, TeamResult
from .file import TeamFile
from .instances import claim
from .places import Places
from .supervisor import Supervisor, jobs
from .watch import ProcessEvent

if TYPE_CHECKING:
    from rostra.agents.models.base import ModelClient
    from rostra.agents.models.config import ModelConfig


class Team:
    """A running team; made by `load`, `local` or `attach`, and used as `async with`.

    `client` is on the team's bus, `chats` holds what can be done with chats, `supervisor` (after `load` only) the processes.
    """

    client: Client
    chats: Chats
    supervisor: Supervisor | None = None

    def __init__(self, opened: "Callable[[Team], contextlib.AbstractAsyncContextManager[Transport]]") -> None:
        self._opened = opened
        self._stack = contextlib.AsyncExitStack()

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        record: str | Path = "",
        on_event: Callable[[ProcessEvent], None] | None = None,
        places: Places | None = None,
        instance: str = "",
    ) -> "Team":
        """The team of a team file, as processes, which run as long as the context is open.

        `record`: where completions are recorded; `on_event`: hears what happens to the processes; `instance`: the one to be, and
        no other, whose chats go on. Raises `BadTeam` for a bad file at once, and when entered `TeamFailed` when a process cannot
        run. The thread that enters must outlive the team.
        """
        file = TeamFile.load(path)

        @contextlib.asynccontextmanager
        async def opened(team: Team) -> AsyncIterator[Transport]:
            broker = file.tables.team.broker
            with claim(
                places or Places.here(), file.name, file.path, "" if broker == "ipc" else broker, only=instance
            ) as claimed:
                parts = jobs(file, claimed, record=record)
                async with Supervisor(parts, on_event=on_event) as team.supervisor:
                    yield open_transport(claimed.instance.address, CONSOLE_KEY, parts["broker"].keys or None)

        return cls(opened)

    @classmethod
    def local(
        cls,
        agents: Iterable[Any],
        *,
        models: "Mapping[str, ModelConfig | ModelClient] | None" = None,
        database: str | Path | None = None,
        base: str | Path = ".",
        **chat: Any,
    ) -> "Team":
        """A team in this process: `agents` are agent objects, or functions made agents by `rostra.agents.agent`.

        `models`: by name, as the gateway takes them; paths in them are relative to `base`. `database`: the transcript; without
        it, a temporary one. `chat`: as `rostra.groupchat.GroupChat`. Raises `BadOptions`.
        """
        from . import local

        agents, known = list(agents), dict(models or {})
        options = local.options_of(agents, known, **chat)

        @contextlib.asynccontextmanager
        async def opened(_: Team) -> AsyncIterator[Transport]:
            async with local.local(agents, options, known, database, base) as broker:
                yield broker.transport()

        return cls(opened)

    @classmethod
    def attach(cls, address: str, *, keys: str | Path | None = None) -> "Team":
        """The team that runs at the broker `address`; leaving the context leaves the team running.

        `keys`: the key ring's directory, for a broker on TCP; without it the environment's ROSTRA_KEYS. Raises `NoKey`.
        """

        @contextlib.asynccontextmanager
        async def opened(_: Team) -> AsyncIterator[Transport]:
            yield open_transport(address, CONSOLE_KEY, keys)

        return cls(opened)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            transport = await stack.enter_async_context(self._opened(self))
            name = f"console-{secrets.token_hex(3)}"
            self.client = await stack.enter_async_context(Client(transport, name=name, info={"kind": "console"}))
            self.chats = Chats(self.client)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(
        self, task: str, *, chat: str = "", members: Iterable[str] = (), max_rounds: int = 0, no_input: bool = False
    ) -> TeamResult:
        """Hold one chat about `task` and return how it ended and what was said; options as `Chats.start`.

        Raises `RequestError` when the chat cannot be begun or followed.
        """
        return await self.chats.run(task, chat=chat, members=members, max_rounds=max_rounds, no_input=no_input)

    def stream(
        self,
        task: str,
        *,
        chat: str = "",
        members: Iterable[str] = (),
        max_rounds: int = 0,
        no_input: bool = False,
        deltas: bool = False,
    ) -> AsyncGenerator[ChatEvent | Delta, None]:
        """As `run`, but yields what happens while it happens; the last event has the type `result`. As `Chats.stream`."""
        return self.chats.stream(task, chat=chat, members=members, max_rounds=max_rounds, no_input=no_input, deltas=deltas)

    async def ask(self, name: str, content: str | ChatMessage, *, timeout: float | None = 60.0) -> ChatMessage:
        """Ask one agent, outside any chat; as `Client.ask`."""
        return await self.client.ask(name, content, timeout=timeout)
