"""The coordinator: holds the group chats of a team, several at once, and answers for them on the bus (docs/messages.md)."""

import asyncio
import contextlib
import logging
from base64 import b32encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rostra.protocol import (
    BadMessage,
    BadName,
    ChatMessage,
    Client,
    History,
    HistoryRequest,
    Incoming,
    Refused,
    RequestError,
    Service,
    Subscription,
)
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, ChatSay, ChatStart, Verdict, Why
from rostra.protocol.directory import PRESENCE, Presence
from rostra.protocol.ids import new_id
from rostra.protocol.names import check_name, check_topic
from rostra.protocol.service import Handler

from .chats import Chats
from .check import check_options
from .controls import CONSOLE, Controls, now_ms
from .fit import check_message
from .options import ChatOptions
from .people import People
from .roster import Roster
from .rows import Settings
from .rules import rules_of
from .scribe import opening_row
from .summarising import summary
from .transcript import Transcript
from .voting import Votes

log = logging.getLogger(__name__)

CONCURRENCY = 10_000
"""Requests in work at once: a question to a person may wait for days, and must not keep others from being answered."""


class Coordinator:
    """Holds chats as `options` say and keeps them in the database at `database`.

    Make it before the client connects, so that no request finds nobody; those that come before `start` has ended wait for it.
    Raises `BadOptions` when no chat can be held so.
    """

    def __init__(self, client: Client, options: ChatOptions, database: Path) -> None:
        self._client, self.options, self._database = client, check_options(options), database
        client.keeps = True
        every = [member for each in (options, *options.inner.values()) for member in each.members]
        self._roster = Roster(every)
        self._agents = {member.name for member in every}
        self.transcript: Transcript
        self.acted = False
        """Whether a person has done something; whoever wants to know sets it back."""
        self._watcher: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._service = service = Service(client, concurrency=CONCURRENCY)
        self.people = People(self, service, self._after_start)
        self.chats = Chats(
            client,
            options,
            self._roster,
            publish=self.publish,
            ask=self.people.ask,
            withdraw=self.people.withdraw,
            petition=self.people.petition,
            finished=self.people.chat_over,
        )
        self.controls = Controls(self, service, self._after_start)
        self.votes = Votes(self, client, service, self._after_start)
        service.method("chat.start", ChatStart, self._after_start(self._chat_start))
        service.method("chat.list", Any, self._after_start(self._chat_list))
        service.method("chat.info", ChatRef, self._after_start(self._chat_info))
        service.method("chat.wait", ChatRef, self._after_start(self._chat_wait))
        service.method("chat.say", ChatSay, self._after_start(self._chat_say))
        service.method("chat.why", ChatRef, self._after_start(self._chat_why))
        service.method("chat.verify", ChatRef, self._after_start(self._chat_verify))
        service.method("history", HistoryRequest, self._after_start(self._history))

    async def start(self) -> None:
        """Open the database, learn who is connected, take up the chats that have not ended; then answer requests."""
        self.transcript = await asyncio.to_thread(Transcript, self._database)
        self.chats.opened(self.transcript)
        await self.people.open()
        presence = self._client.subscribe(PRESENCE)
        await presence.__aenter__()
        self._watcher = asyncio.get_running_loop().create_task(self._watch(presence))
        for peer in await self._client.peers():
            self._roster.heard(peer.name, peer.info)
        for kept in await self.transcript.unfinished():
            if kept.state == "running" or kept.result is None or not await self.people.awaited(kept.chat):
                await self.chats.resume(kept)
        self._ready.set()

    async def aclose(self) -> None:
        """Stop without ending any chat: they are taken up again by the next start."""
        self.people.closing()
        await self._service.drain(0.0)
        await self.chats.aclose()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self.people.aclose()
        if hasattr(self, "transcript"):
            await self.transcript.aclose()

    async def summary(self, chat: str, messages: Sequence[ChatMessage]) -> str:
        """What was said, in a few sentences of the model that selects speakers; raises `Refused` when there is none."""
        return await summary(self._client, self.options, chat, messages)

    def is_member(self, name: str) -> bool:
        """Whether somebody is an agent of the team."""
        return name in self._agents

    # ---- requests

    async def _chat_start(self, start: ChatStart, request: Incoming) -> ChatInfo:
        chat = self.checked_id(start.chat or b32encode(request.id[-5:]).decode().lower())
        if await self.transcript.began_by(chat) == request.id:
            return await self.info(chat)  # the same request, after a restart
        settings = self._settings(start, _name(request))
        opening = opening_row(settings, self._options_of(settings.agent), new_id(), now_ms())
        assert opening.message is not None
        try:
            check_message(opening.message)
        except BadMessage as error:
            raise Refused(f"task: {error}") from None
        epoch = await self.transcript.create(chat, request.id, settings, opening)
        self.chats.run(chat, settings, epoch, opening.done_ms, [opening], fresh=True)
        return await self.info(chat)

    def checked_id(self, chat: str) -> str:
        """`chat`, when it may be the id of a chat; else raises `Refused`."""
        try:
            check_topic(f"chat.{chat}")
        except BadName:
            raise Refused(f"{chat!r} is no id of a chat: letters, digits and _ : @ - only") from None
        if "." in chat:
            raise Refused(f"{chat!r} is no id of a chat: it has a dot")
        return chat

    def _options_of(self, agent: str) -> ChatOptions:
        """The rules of the team's chat, or of the inner one of `agent`; raises `Refused` when there is none."""
        options = self.options.inner.get(agent) if agent else self.options
        if options is None:
            raise Refused(f"{agent!r} has no inner chat")
        return options

    def _settings(self, start: ChatStart, sender: str) -> Settings:
        options = self._options_of(start.agent)
        if start.agent and sender != start.agent:
            raise Refused(f"{sender} may not begin the inner chat of {start.agent}")
        outer = self.chats.runners.get(start.within) if start.within else None
        if start.within and outer is None:
            raise Refused(f"chat {start.within!r} is not running")
        no_input = start.no_input or (outer is not None and outer.machine.no_input)
        known = [member.name for member in options.members]
        members = start.members or tuple(known)
        for name in members:
            if name not in known:
                raise Refused(f"{name!r} is no member of the team; there are {', '.join(known)}")
        if len(set(members)) < len(members):
            raise Refused("a member is named twice")
        if len(members) < 2:
            raise Refused("a group chat needs two members at least")
        if start.max_rounds < 0:
            raise Refused("max_rounds: 1 is the least; 0 means the team file's")
        return Settings(
            task=start.task,
            members=members,
            max_rounds=start.max_rounds or options.max_rounds,
            no_input=no_input,
            agent=start.agent,
            within=start.within,
            rules=rules_of(options),
        )

    async def info(self, chat: str) -> ChatInfo:
        """The chat at a glance; raises `NoSuchChat`."""
        return self._now((await self.transcript.infos(self._roster, chat))[0])

    def _now(self, info: ChatInfo) -> ChatInfo:
        """What the transcript knows of a chat, with what only the options and whoever runs it know."""
        admin, runner = self.options.admin, self.chats.runners.get(info.chat)
        return msgspec.structs.replace(
            info,
            admin=admin if any(admin == member.name for member in info.members) else "",
            seconds=runner.machine.ledger.seconds(now_ms()) if runner else info.result.seconds if info.result else 0.0,
        )

    async def _chat_list(self, _: Any, __: Incoming) -> list[ChatInfo]:
        return [self._now(info) for info in await self.transcript.infos(self._roster)]

    async def _chat_info(self, ref: ChatRef, _: Incoming) -> ChatInfo:
        return await self.info(ref.chat)

    async def _chat_wait(self, ref: ChatRef, _: Incoming) -> ChatInfo:
        """Answered when the chat has ended, however long that takes; one that rests is waited for."""
        while True:
            change = self.chats.change(ref.chat)  # before the look, so that no end is missed
            info = await self.info(ref.chat)
            if info.state == "ended":
                return info
            await change.wait()

    async def _chat_say(self, say: ChatSay, request: Incoming) -> ChatMessage:
        runner = self.chats.runners.get(say.chat)
        if runner is None:
            await self.transcript.kept(say.chat)
            raise Refused(f"chat {say.chat!r} is not running")
        sender, name, members = _name(request), say.name, runner.machine.members
        self.acted = self.acted or sender.startswith(CONSOLE)
        if sender in members:
            name = sender
        elif name in members and not sender.startswith(CONSOLE):
            raise Refused(f"{sender} may not speak as {name}")
        try:
            check_message(ChatMessage(content=say.content, name=check_name(name)))
        except (BadMessage, BadName) as error:
            raise Refused(str(error)) from None
        return await runner.say(request.id, name, say.content)

    async def _chat_why(self, ref: ChatRef, _: Incoming) -> list[Why]:
        return await self.transcript.reasons(ref.chat, ref.sequence)

    async def _chat_verify(self, ref: ChatRef, _: Incoming) -> Verdict:
        return await self.transcript.verify(ref.chat)

    async def _history(self, wanted: HistoryRequest, _: Incoming) -> History:
        return await self.transcript.history(wanted.chat, wanted.after, wanted.limit)

    # ---- the bus

    def _after_start(self, handler: Handler) -> Handler:
        async def waiting(payload: Any, request: Incoming) -> Any:
            await self._ready.wait()
            return await handler(payload, request)

        return waiting

    def publish(self, event: ChatEvent) -> None:
        """Tell the observers of a chat, and those of the inbox."""
        topics = [f"chat.{event.chat}"] if event.chat else []
        if event.type in ("question", "reminder", "answered"):
            topics.append("inbox")
        for topic in topics:
            try:
                self._client.publish(topic, event)
            except BadMessage:  # too large for one frame with its envelope: observers fetch it as history
                self._client.publish(topic, msgspec.structs.replace(event, message=None))
            except BadName:
                log.warning("a question of %s names no chat: %r", event.speaker, event.chat)

    async def _watch(self, presence: Subscription) -> None:
        """Learn what members say of themselves when they connect."""
        with contextlib.suppress(RequestError):
            async for event in presence:
                with contextlib.suppress(BadMessage):
                    seen = event.decode(Presence)
                    if seen.state == "online":
                        self._roster.heard(seen.name, seen.info)


def _name(request: Incoming) -> str:
    """Who asks, without the number of its replica."""
    return request.sender.partition("~")[0]
