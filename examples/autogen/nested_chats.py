"""A writer whose every answer comes out of talks with a critic and an editor, which nobody else sees.

python examples/autogen/nested_chats.py       needs no key
"""

import asyncio

from rostra.agents import AssistantAgent, ScriptedModel, UserProxyAgent

SCRIPT = {
    "critic": ["Too grand. Say what it is, and stop."],
    "editor": ["A broker hands messages on."],
}


async def main() -> None:
    """Hold the chat, and print it."""
    model = ScriptedModel(SCRIPT)
    writer = AssistantAgent("writer", "You write.", model=model, silent=True)
    critic, editor = (AssistantAgent(name, f"You are a {name}.", model=model, silent=True) for name in SCRIPT)
    user = UserProxyAgent("user", human_input_mode="NEVER", silent=True)
    writer.register_nested_chats(
        [
            {"recipient": critic, "max_turns": 1},
            {"recipient": editor, "message": "Rewrite it as the critic says.", "max_turns": 1},
        ],
        trigger=user,
    )
    result = await user.initiate_chat(writer, message="A broker is the beating heart of all distributed thought!", max_turns=1)
    for said in result.chat_history:
        print(f"{said.name}: {said.text}")


if __name__ == "__main__":
    asyncio.run(main())
