"""Two agents: one writes code, the other runs it in a sandbox and tells what came out.

python examples/autogen/code_execution.py       needs bubblewrap, and no key
"""

import asyncio

from rostra.agents import AssistantAgent, CodeExecution, ScriptedModel, UserProxyAgent

SCRIPT = [
    'Let me count.\n\n```python\nprint("Primes below 20:", [n for n in range(2, 20) if all(n % m for m in range(2, n))])\n```',
    "Here they are: 2, 3, 5, 7, 11, 13, 17 and 19.",
    "TERMINATE",
]


async def main() -> None:
    """Hold the chat, and print it."""
    assistant = AssistantAgent("assistant", model=ScriptedModel(SCRIPT))  # OpenAIModel("gpt-5-mini") for a model that thinks
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=CodeExecution(seconds=10))
    result = await user.initiate_chat(assistant, message="Which primes are there below 20?")
    print(f"\nended: {result.stop_reason}")


if __name__ == "__main__":
    asyncio.run(main())
