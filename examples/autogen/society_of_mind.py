"""A group chat as one agent: what its members say to each other is one turn outside.

python examples/autogen/society_of_mind.py       needs no key
"""

import asyncio

from rostra.agents import AssistantAgent, Context, ScriptedModel, UserProxyAgent
from rostra.protocol import ChatMessage
from rostra.team import Team

SCRIPT = {"optimist": ["It will work."], "sceptic": ["It will work once it is tested."]}


class Society:
    """Answers with the last word of an inner group chat."""

    name, description = "society", "Thinks with several voices."

    def __init__(self) -> None:
        self._model = ScriptedModel(SCRIPT)

    async def respond(self, message: ChatMessage, context: Context) -> str:
        """See `rostra.agents.Responder`."""
        voices = [AssistantAgent(name, f"You are the {name}.", model=self._model) for name in SCRIPT]
        async with Team.local(voices, selection="round_robin", max_rounds=3) as inner:
            result = await inner.run(message.text)
        for said in result.messages[1:]:
            print(f"  ({said.name}: {said.text})")
        return result.text


async def main() -> None:
    """Hold the outer chat, and print it."""
    clerk = UserProxyAgent("clerk", human_input_mode="NEVER", default_auto_reply="Thank you. TERMINATE")
    async with Team.local([Society(), clerk], selection="round_robin", stop='text("TERMINATE")') as team:
        result = await team.run("Will it work?")
    for said in result.messages:
        print(f"{said.name}: {said.text}")


if __name__ == "__main__":
    asyncio.run(main())
