"""A group chat as a state machine: who may follow whom is a graph, and the model chooses only where there is a choice.

python examples/autogen/fsm_group_chat.py       needs no key
"""

import asyncio

from rostra.agents import AssistantAgent, ScriptedModel, UserProxyAgent
from rostra.team import Team

SCRIPT = {
    "planner": ["Plan: one function, one test.", "Accepted. TERMINATE"],
    "coder": ["def double(x): return x + x", "def double(x): return 2 * x"],
    "tester": ["double('a') gives 'aa': refuse text.", "All right now."],
}
CHOICES = ["coder", "planner"]
"""What the model says when it is asked who speaks after the tester."""
ALLOWED = {"boss": ["planner"], "planner": ["coder"], "coder": ["tester"], "tester": ["coder", "planner"]}


async def main() -> None:
    """Hold the chat, print it, and say why it ended."""
    model = ScriptedModel({**SCRIPT, "*": CHOICES})
    members = [AssistantAgent(name, f"You are the {name}.", model=model) for name in ("planner", "coder", "tester")]
    boss = UserProxyAgent("boss", human_input_mode="NEVER")
    async with Team.local(
        [boss, *members],
        models={"default": model},
        selection="auto",
        allowed=ALLOWED,
        admin="boss",
        max_rounds=12,
        stop='text("TERMINATE")',
    ) as team:
        result = await team.run("Write a function that doubles a number.")
    for said in result.messages:
        print(f"{said.name}: {said.text}")
    print(f"ended: {result.stop_reason}")


if __name__ == "__main__":
    asyncio.run(main())
