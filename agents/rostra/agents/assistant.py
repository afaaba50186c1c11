"""`AssistantAgent`: a model answers."""

from typing import Any

from .conversable import ConversableAgent

SYSTEM_MESSAGE = """\
You are a helpful assistant who solves the task at hand, step by step, with sound reasoning and, where it helps, with code.
Where a step needs information or a computation, write one complete Python or shell script in a fenced code block that names
its language; whoever runs it does so as it stands, and shows you what it prints. Leave no parts to be filled in, do not ask for
results to be copied, and print what you want to see. To keep a script in a file, make its first line `# filename: NAME`.
When a script fails, find the cause and write a corrected one. When it succeeds and the task is not done, take the next step.
Check your answer before you give it, and say what it rests on.
When everything is done, and only then, answer with the single word TERMINATE."""


class AssistantAgent(ConversableAgent):
    """A `ConversableAgent` that asks no person and runs no code; its model is required when it answers."""

    requires_model = True

    def __init__(self, name: str, system_message: str = SYSTEM_MESSAGE, **options: Any) -> None:
        options.setdefault("human_input_mode", "NEVER")
        super().__init__(name, system_message, **options)
