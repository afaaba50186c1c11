"""An agent that is taught something in one chat, and knows it in the next.

python examples/autogen/teachable.py       needs no key
"""

import asyncio
import tempfile
from pathlib import Path

from rostra.agents import ScriptedModel, TeachableAgent, UserProxyAgent

LESSON = [
    {"tool_calls": [{"name": "remember", "arguments": {"topic": "weekly report", "content": "Three bullet points, no more."}}]},
    "I will keep it to three bullet points.",
]
LATER = ["- sold: 12\n- returned: 1\n- open: 3"]


async def main() -> None:
    """Teach it, forget the chat, and ask again."""
    user = UserProxyAgent("user", human_input_mode="NEVER", silent=True)
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "pupil.db"
        pupil = TeachableAgent("pupil", memory=memory, model=ScriptedModel(LESSON), silent=True)
        await user.initiate_chat(pupil, message="My weekly report has three bullet points, no more.", max_turns=1)
        pupil.memos.close()

        pupil = TeachableAgent("pupil", memory=memory, model=ScriptedModel(LATER), silent=True)  # another process, another day
        for memo in pupil.memos.find("Write this week's report."):
            print(f"remembered: {memo.topic}: {memo.content}")
        result = await user.initiate_chat(pupil, message="Write this week's report.", max_turns=1)
        print(result.summary)
        pupil.memos.close()


if __name__ == "__main__":
    asyncio.run(main())
