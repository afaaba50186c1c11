"""An agent on the bus: a mailbox in front of a responder, and what it has seen of each chat."""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from rostra.protocol import (
    COORDINATOR,
    Ballot,
    BrokerLost,
    ChatMessage,
    Client,
    History,
    HistoryRequest,
    Incoming,
    Lettered,
    Member,
    Refused,
    RemoteError,
    Service,
    Superseded,
    Turn,
    TurnReply,
    redaction,
)
from rostra.protocol.chat import Converse, ConverseReply, Delta, VoteRequest
from rostra.protocol.failpoints import passing
from rostra.protocol.frames import decode_body, encode_body
from rostra.protocol.redaction import Pieces

from .adapt import as_responder
from .human import InboxInput
from .responder import Context, HumanInput, Pass, ResponderLike, Response
from .state import MemoryStore, State, Store
from .views import View, Views, as_seen
from .voting import cast

if TYPE_CHECKING:
    from .tools.journal import ToolJournal

log = logging.getLogger(__name__)
T = TypeVar("T")

CONSOLE = "console-"
"""What the names of consoles begin with."""
HISTORY_SECONDS = 60.0
"""How long a page of history is waited for; also when the coordinator is away."""
GREETING_SECONDS = 30.0
"""How long a process waits for a broker that is not there yet."""


class Deltas:
    """Publishes the pieces of an answer on `delta.<chat>` while it is written (a `DeltaSink`)."""

    def __init__(self, client: Client, chat: str, sequence: int, speaker: str) -> None:
        self.topic = f"delta.{chat}"
        self._pieces = Pieces(redaction.own, self._publish)
        self.chat, self.sequence, self.speaker = chat, sequence, speaker
        self._client = client

    def __call__(self, text: str) -> None:
        """Show one more piece."""
        self._pieces(text)

    def flush(self) -> None:
        """The answer is written."""
        self._pieces.flush()

    def _publish(self, text: str) -> None:
        self._client.publish(self.topic, Delta(chat=self.chat, sequence=self.sequence, speaker=self.speaker, text=text))


class Actor(Service):
    """Answers `ask`, `turn`, `converse`, `vote` and `describe` with a responder (docs/messages.md).

    At most `concurrency` messages are worked on at once, the turns of one chat one after the other; `mailbox` more wait.
    `human`: where people are asked; without it, the coordinator's inbox. `store`: what it keeps between messages; without it,
    in memory. `journal`: where the calls of its tools are kept; without it, work that is done again calls them again.
    """

    def __init__(
        self,
        client: Client,
        responder: ResponderLike,
        member: Member,
        *,
        concurrency: int = 8,
        mailbox: int = 1000,
        human: HumanInput | None = None,
        store: Store | None = None,
        journal: "ToolJournal | None" = None,
    ) -> None:
        super().__init__(client, concurrency=concurrency, mailbox=mailbox)
        self.member, self._responder, self._human = member, as_responder(responder), human
        self._durable, self._journal = store, journal
        client.keeps = store is not None
        self._store = store or MemoryStore()
        self._views = Views(member.name, store=store)
        self.method("ask", ChatMessage, self._ask)
        self.method("turn", Turn, self._turn)
        self.method("converse", Converse, self._converse)
        self.method("vote", VoteRequest, self._vote)
        self.method("describe", Any, self._describe)
        self.mail(ChatMessage, self._letter)

    async def _ask(self, asked: ChatMessage, request: Incoming) -> ChatMessage:
        sender = request.sender.partition("~")[0]
        named = msgspec.structs.replace(asked, name=sender, role=asked.role if asked.role in ("tool", "function") else "user")
        context = self._context(request, sender=sender, history=(named,))
        answer = self._message(await self._responder.respond(named, context))
        return answer or ChatMessage(role="assistant", name=self.member.name)

    async def _letter(self, told: ChatMessage, letter: Lettered) -> None:
        """A letter is handled like a question, but nobody waits for the answer."""
        sender = letter.sender.partition("~")[0]
        named = msgspec.structs.replace(told, name=sender, role="user")
        human = self._human or InboxInput(self.client, letter.epoch)
        key = b"%s/%s/%d" % (letter.sender.encode(), letter.epoch, letter.sequence)
        context = Context(
            agent=self.member.name,
            sender=sender,
            history=(named,),
            client=self.client,
            human=human,
            state=State(self._store),
            journal=self._journal.task(key) if self._journal else None,
            letter=letter,
        )
        await self._responder.respond(named, context)

    async def _turn(self, turn: Turn, request: Incoming) -> TurnReply:
        async with self._views.hold(turn.chat) as view:
            kept = self._kept(request, TurnReply)
            if kept is not None:
                return kept
            passing("agent.turn")
            await self._catch_up(view, turn)
            message = view.messages[-1] if view.messages else ChatMessage()
            deltas = Deltas(self.client, turn.chat, turn.sequence, self.member.name)
            context = self._context(
                request,
                sender=message.name,
                chat=turn.chat,
                turn=request.id,
                sequence=turn.sequence,
                history=view.messages[turn.since :] if turn.since else view.messages,
                introduction=turn.introduction,
                on_delta=deltas,
            )
            response = await self._responder.respond(message, context)
            answer = self._message(response)
            deltas.flush()
            passing("agent.answered")
            usage = tuple(context.usage)
            if answer is None:
                reason = "" if isinstance(response, Pass) else self._why(context)
                return self._keep(request, TurnReply(usage=usage, reason=reason, passed=isinstance(response, Pass)))
            reply = self._keep(request, TurnReply(message=answer, usage=usage))
            passing("agent.kept")
            if len(view) == turn.sequence - 1:  # as if accepted; the next turn's `after` says whether it was
                view.extend([msgspec.structs.replace(answer, sequence=turn.sequence)])
            return reply

    async def _converse(self, said: Converse, request: Incoming) -> ConverseReply:
        caller = request.sender.partition("~")[0]
        console = caller.startswith(CONSOLE)  # another one each time, and trusted with names as in `chat.say`
        sender = (said.sender or caller) if console else caller
        async with self._views.hold(f"{CONSOLE if console else caller}/{said.conversation}") as view:
            kept = self._kept(request, ConverseReply)
            if kept is not None:
                return kept
            if len(view) < said.after:
                view.again()
            if len(view) < said.after:
                return ConverseReply(missing=len(view))
            view.back_to(said.after)
            own = self.member.name
            view.extend(
                msgspec.structs.replace(each, name=own if each.name == own else sender, sequence=said.after + place)
                for place, each in enumerate(said.messages, 1)
            )
            if not view.messages:
                raise Refused("converse: there is nothing to answer")
            context = self._context(
                request,
                sender=sender,
                chat=said.conversation,
                turn=request.id,
                sequence=len(view) + 1,
                history=view.messages,
                begun=min(said.begun, len(view)),
            )
            answer = self._message(await self._responder.respond(view.messages[-1], context))
            usage = tuple(context.usage)
            if answer is None:
                return self._keep(request, ConverseReply(usage=usage, reason=self._why(context)))
            reply = self._keep(request, ConverseReply(message=answer, usage=usage))
            view.extend([msgspec.structs.replace(answer, sequence=len(view) + 1)])
            return reply

    def _kept(self, request: Incoming, kind: type[T]) -> T | None:
        """The answer that an earlier process of this name gave to this very request, before it died."""
        body = self._durable.answer(_key(request)) if self._durable else None
        return None if body is None else decode_body(body, kind)

    def _keep(self, request: Incoming, reply: T) -> T:
        if self._durable:  # in memory the session itself keeps replies
            self._durable.keep_answer(_key(request), encode_body(reply))
        return reply

    def _why(self, context: Context) -> str:
        return context.reason or f"{self.member.name} has nothing to say"

    async def _vote(self, wish: VoteRequest, request: Incoming) -> Ballot:
        sender = request.sender.partition("~")[0]
        known: dict[str, Any] = {"sender": sender, "ordinal": wish.ordinal}
        if wish.turn is not None:
            if sender != COORDINATOR:  # a ballot's reason may tell of the chat
                raise Refused(f"vote: {sender} holds no chats")
            # A look at the chat beside its turns: who votes may be asked to in the midst of its own turn.
            view = self._views.glance(wish.turn.chat)
            await self._catch_up(view, wish.turn)
            known |= {"chat": wish.turn.chat, "sequence": wish.turn.sequence, "introduction": wish.turn.introduction}
            known["history"] = view.messages[wish.turn.since :]
        context = self._context(request, **known)
        ballot = await cast(self._responder, wish.proposal, context)
        return msgspec.structs.replace(ballot, voter=self.member.name, usage=(*ballot.usage, *context.usage))

    async def _describe(self, _: Any, request: Incoming) -> Member:
        return self.member

    async def _catch_up(self, view: View, turn: Turn) -> None:
        """Bring `view` to what the turn builds on, from the coordinator's history where it was not seen (a restart, say)."""
        if turn.valid >= 0:
            view.back_to(turn.valid)
        while len(view) < turn.after:
            asked = HistoryRequest(chat=turn.chat, after=len(view))
            page: History = await self.client.request(
                COORDINATOR, "history", asked, reply=History, timeout=HISTORY_SECONDS, absent=HISTORY_SECONDS
            )
            if not page.messages:
                raise RemoteError(f"the history of {turn.chat} ends at {len(view)}, but the turn begins after {turn.after}")
            view.extend(page.messages)
        view.back_to(turn.after)
        view.extend(turn.messages)

    def _context(self, request: Incoming, **known: Any) -> Context:
        human = self._human or InboxInput(self.client, request.id)
        return Context(
            agent=self.member.name,
            deadline=request.deadline,
            client=self.client,
            human=human,
            state=State(self._store),
            journal=self._journal.task(_key(request)) if self._journal else None,
            **known,
        )

    def _message(self, response: Response) -> ChatMessage | None:
        message = self._said(response)
        return None if message is None else redaction.own.struct(message)  # before it is kept anywhere

    def _said(self, response: Response) -> ChatMessage | None:
        match response:
            case None | Pass():
                return None
            case str():
                return ChatMessage(content=response, role="assistant", name=self.member.name)
            case ChatMessage():
                return as_seen(msgspec.structs.replace(response, name=self.member.name, sequence=0), self.member.name)
            case _:
                kind = type(response).__name__
                raise TypeError(f"{self.member.name} answered with {kind}; text, a ChatMessage or None is wanted")


class Exit(Enum):
    """Why `serve` returned."""

    STOPPED = "stopped"
    """It was asked to."""
    SUPERSEDED = "superseded"
    """A newer process has taken the name."""
    REFUSED = "refused"
    """The broker does not let it in, or ended the session."""
    UNREACHABLE = "unreachable"
    """No broker was there at the start."""


async def serve(
    address: str,
    member: Member,
    make_responder: Callable[[Client], ResponderLike],
    *,
    shared: bool = False,
    stop: asyncio.Event,
    drain_seconds: float = 10.0,
    store: Store | None = None,
    journal: "ToolJournal | None" = None,
) -> Exit:
    """The body of an agent's process: be `member` at the broker until `stop` is set, or the session ends for good.

    `shared`: several processes serve the name together. `make_responder` is called once, before the broker is reached; what it
    raises is raised. On `stop` nothing new is taken, what runs may finish for `drain_seconds`, and the rest is answered
    `stopping`: nobody who asked is left without an answer. `store`: what it keeps between messages; default: in memory.
    `journal`: see `Actor`.
    """
    client = Client.connect(address, name=member.name, shared=shared)
    responder = as_responder(make_responder(client))
    member = described(member, responder)
    client.session.info = msgspec.to_builtins(member)
    # A person's turn may take days: such an agent must not be full after a few of them.
    actor = Actor(client, responder, member, concurrency=64 if member.kind == "user_proxy" else 8, store=store, journal=journal)
    await client.open()
    stopping = asyncio.create_task(stop.wait())
    greeting = asyncio.create_task(client.bound(GREETING_SECONDS))
    ending: list[asyncio.Future[Any]] = [stopping, client.ended]
    try:
        await asyncio.wait([greeting, *ending], return_when=asyncio.FIRST_COMPLETED)
        if greeting.done() and not stop.is_set() and isinstance(greeting.exception(), BrokerLost):
            log.error("%s: no broker at %s", member.name, address)
            return Exit.UNREACHABLE
        await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        await actor.drain(drain_seconds if stop.is_set() else 0.0)
        if stop.is_set():
            return Exit.STOPPED
        error = client.ended.result()
        log.warning("%s: the session ended: %s", member.name, error)
        return Exit.SUPERSEDED if isinstance(error, Superseded) else Exit.REFUSED
    finally:
        for task in (stopping, greeting):
            task.cancel()
        await asyncio.gather(stopping, greeting, return_exceptions=True)
        await client.aclose()


def described(member: Member, responder: object) -> Member:
    """`member`, with the description and the functions that `responder` tells of itself where `member` has none."""
    return msgspec.structs.replace(
        member,
        description=member.description or str(getattr(responder, "description", "")),
        tools=member.tools or tuple(getattr(responder, "functions", ())),
    )


def _key(request: Incoming) -> bytes:
    return request.sender.partition("~")[0].encode() + b"/" + request.id
