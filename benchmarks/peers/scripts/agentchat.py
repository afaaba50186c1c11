"""AutoGen 0.7's RoundRobinGroupChat: four agents in one process, nothing on disk."""

import asyncio
import logging
import time

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from roles import main

logging.disable(logging.CRITICAL)
TEXT = "x" * 500


class Member(BaseChatAgent):
    @property
    def produced_message_types(self):
        return (TextMessage,)

    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=TextMessage(content=TEXT, source=self.name))

    async def on_reset(self, cancellation_token):
        pass


def chat(turns):
    async def play():
        members = [Member(f"agent{number}", "replies") for number in range(4)]
        team = RoundRobinGroupChat(members, max_turns=turns)
        said, began = 0, time.perf_counter()
        async for message in team.run_stream(task=TEXT):
            said += isinstance(message, TextMessage)
        return {"turns_s": (said - 1) / (time.perf_counter() - began), "turns": said - 1}

    return asyncio.run(play())


if __name__ == "__main__":
    main({"chat": chat})
