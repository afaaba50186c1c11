"""One agent's model calls a tool, the other agent runs it.

python examples/autogen/tool_use.py       needs no key
"""

import asyncio
from typing import Annotated, Literal

from rostra.agents import AssistantAgent, ScriptedModel, UserProxyAgent

RATES = {"EUR": 1.0, "USD": 1.1, "CHF": 0.95}
SCRIPT = [
    {
        "tool_calls": [
            {"name": "convert", "arguments": {"amount": 20, "to": "USD"}},
            {"name": "convert", "arguments": {"amount": "x"}},
        ]
    },
    "20 euros are 22 dollars.",
    "TERMINATE",
]


def convert(amount: Annotated[float, "in euros"], to: Annotated[Literal["USD", "CHF"], "the currency"] = "USD") -> str:
    """Converts euros."""
    return f"{amount * RATES[to]:.2f} {to}"


async def main() -> None:
    """Hold the chat, and print it."""
    assistant = AssistantAgent("assistant", "You convert money.", model=ScriptedModel(SCRIPT), silent=True)
    user = UserProxyAgent("user", human_input_mode="NEVER", silent=True)
    assistant.register_for_llm(convert)
    user.register_for_execution(convert)
    result = await user.initiate_chat(assistant, message="What are 20 euros in dollars?")
    for said in result.chat_history:
        calls = " ".join(f"{call.name}({call.arguments})" for call in said.tool_calls)
        print(f"{said.name} ({said.role}): {said.text}{calls}")


if __name__ == "__main__":
    asyncio.run(main())
