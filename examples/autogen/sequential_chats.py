"""Chats one after the other: what each came to is carried over to the next. Two of them do not wait for each other.

python examples/autogen/sequential_chats.py       needs no key
"""

import asyncio

from rostra.agents import AssistantAgent, ScriptedModel, UserProxyAgent

SCRIPT = {
    "researcher": ["Tides follow the moon; spring tides come at new and full moon."],
    "translator": ["Gezeiten."],
    "writer": ["Twice a month the sea remembers the moon most clearly."],
}


async def main() -> None:
    """Hold the chats, and print what each came to."""
    model = ScriptedModel(SCRIPT)
    researcher, translator, writer = (AssistantAgent(name, f"You are a {name}.", model=model, silent=True) for name in SCRIPT)
    user = UserProxyAgent("user", human_input_mode="NEVER", silent=True)
    results = await user.initiate_chats(
        [
            {"chat_id": "facts", "recipient": researcher, "message": "What makes the tides?", "max_turns": 1},
            {"chat_id": "word", "recipient": translator, "message": "Tides, in German?", "max_turns": 1},
            {
                "chat_id": "text",
                "prerequisites": ["facts", "word"],
                "recipient": writer,
                "message": "Write one sentence about the tides.",
                "max_turns": 1,
                "carryover": "For a calendar.",
            },
        ]
    )
    print(results[-1].chat_history[0].text)
    for result in results:
        print(f"{result.chat_id}: {result.summary}")


if __name__ == "__main__":
    asyncio.run(main())
