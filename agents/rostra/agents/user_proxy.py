"""`UserProxyAgent`: a person answers, and code runs where that is switched on."""

from typing import Any

from .conversable import ConversableAgent
from .feedback import HumanInputMode

DESCRIPTIONS: dict[HumanInputMode, str] = {
    "ALWAYS": "A person who answers questions, gives feedback, and decides.",
    "TERMINATE": "Runs code and tools, and lets a person decide whether the work is done.",
    "NEVER": "Runs the code and the tools that others write and call, and reports what came out.",
}


class UserProxyAgent(ConversableAgent):
    """A `ConversableAgent` that asks its person on every message and has no model. Code runs only where it is configured to."""

    def __init__(self, name: str, system_message: str = "", **options: Any) -> None:
        mode: HumanInputMode = options.setdefault("human_input_mode", "ALWAYS")
        if options.get("description") is None:
            options["description"] = system_message or DESCRIPTIONS.get(mode, "")
        super().__init__(name, system_message, **options)
