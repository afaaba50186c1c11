"""A group chat that does research: a plan is criticised and approved, code is written, run, and its output read.

python examples/autogen/research_team.py       needs bubblewrap, and no key
"""

import asyncio

from rostra.agents import AssistantAgent, CodeExecution, ScriptedModel, UserProxyAgent
from rostra.team import Team

PAPERS = '["Agents that plan", "Speech for all", "Plans of many agents", "Speech in noise", "Agents in markets"]'
CODE = f"""```python
from collections import Counter
titles = {PAPERS}
words = Counter(word.strip("s").lower() for title in titles for word in title.split() if len(word) >= 5)
for word, count in words.most_common(3): print(word, count)
```"""
SCRIPT = {
    "planner": [
        "The engineer counts the words of the titles, the scientist names the topics.",
        "Only words of five letters and more shall count.",
    ],
    "critic": ["'for' and 'of' are no topics: say which words count."],
    "engineer": [CODE],
    "scientist": ["Three papers are about agents, two about speech, one of the first about plans. TERMINATE"],
}
CHOICES = ["planner", "critic", "planner", "admin", "engineer", "executor", "scientist"]
"""What the model says when it is asked who speaks next."""


async def main() -> None:
    """Hold the chat, print it, and say why it ended."""
    model = ScriptedModel({**SCRIPT, "*": CHOICES})
    admin = UserProxyAgent("admin", human_input_mode="NEVER", default_auto_reply="Approved.", description="Approves the plan.")
    executor = UserProxyAgent(
        "executor",
        human_input_mode="NEVER",
        description="Runs the engineer's code.",
        code_execution_config=CodeExecution(seconds=10, last_messages=3),
    )
    thinkers = [AssistantAgent(name, f"You are the {name}.", model=model) for name in SCRIPT]
    async with Team.local(
        [admin, *thinkers, executor],
        models={"default": model},
        selection="auto",
        repeat=False,
        admin="admin",
        introductions=True,
        max_rounds=20,
        stop='text("TERMINATE")',
    ) as team:
        result = await team.run("What are these papers about?")
    for said in result.messages:
        print(f"{said.name}: {said.text}")
    print(f"ended: {result.stop_reason}")


if __name__ == "__main__":
    asyncio.run(main())
