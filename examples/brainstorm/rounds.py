"""Parallel rounds: all members are asked at once, see the ideas of the rounds before, and vote in the end."""

import asyncio
import secrets

from rostra.agents import Context
from rostra.protocol import ChatMessage, Client, RequestError
from rostra.protocol.chat import Converse, ConverseReply

MEMBERS = ("ada", "ben", "cyd")
ROUNDS = 2
SECONDS = 120.0


class Facilitator:
    """Holds a brainstorm about what it is asked."""

    async def respond(self, message: ChatMessage, context: Context) -> str:
        """Collect ideas in rounds, and have them voted on by approval."""
        assert context.client is not None
        talks = {name: Talk(context.client, name) for name in MEMBERS}
        ideas: dict[str, str] = {}  # each once, and whose it was
        log: list[str] = []
        for number in range(1, ROUNDS + 1):
            so_far = "".join(f"\n- {idea} ({name})" for idea, name in ideas.items()) or " none yet"
            question = f"{message.text}\nRound {number}. Ideas so far:{so_far}"
            said = await asyncio.gather(*(talk.ask(question) for talk in talks.values()))
            for name, idea in zip(MEMBERS, said, strict=True):  # in the order of the members, whoever was quickest
                if idea:
                    log.append(f"round {number}, {name}: {idea}")
                    ideas.setdefault(idea, name)
        if len(ideas) < 2:
            return "\n".join([*log, "there is nothing to choose from"])
        text = f"Which ideas are worth trying? {message.text}"
        tally = await context.client.vote(text, list(ideas), members=MEMBERS, method="approval", tie="first", timeout=SECONDS)
        return "\n".join([*log, f"chosen: {tally.winner or 'nothing'} ({tally.reason})"])


class Talk:
    """A conversation with one member: it remembers what it said in the rounds before."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name, self._id = client, name, secrets.token_hex(8)
        self._said: list[ChatMessage] = []

    async def ask(self, question: str) -> str:
        """The member's idea, in a line; empty when it has none, or fails."""
        self._said.append(ChatMessage(content=question, name="facilitator"))
        whole = Converse(conversation=self._id, messages=tuple(self._said))
        try:
            reply: ConverseReply = await self._client.request(self._name, "converse", whole, reply=ConverseReply, timeout=SECONDS)
        except RequestError:
            reply = ConverseReply()
        self._said.append(reply.message or ChatMessage(content="(nothing)", name=self._name))
        return " ".join(reply.message.text.split()) if reply.message else ""
