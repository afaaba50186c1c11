"""What people are asked, and what they answer: the coordinator's inbox (docs/messages.md)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .payload import Payload

QuestionKind = Literal["question", "turn", "speaker", "tool", "code", "budget"]
"""What an answer is wanted for: `turn`, what an agent says; `speaker`, who is next; `tool` and `code`, whether it runs; `budget`,
whether a chat whose budget is used up goes on; `question`, anything else."""
Form = Literal["text", "choice", "approval", "amount"]
"""What an answer looks like: any text; one of the options, or its number; yes or no; yes, no or a number."""
MAX_DETAIL = 200_000
"""Characters of a question's detail; what is longer cannot be shown to a person."""


class Asking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table `person`: how people are asked."""

    seconds: Annotated[float, Meta(ge=0, description="How long an answer is waited for; 0: without end.")] = 0.0
    default: Annotated[str | None, Meta(description="The answer when nobody gave one in time. Approvals have `no`.")] = None
    assignee: Annotated[str, Meta(description="Who shall answer; shown in the inbox.")] = ""


class Question(Payload, frozen=True, kw_only=True):
    """Body of the request `inbox.ask` to the coordinator: something that a person must answer. Answered with `Answer`."""

    text: str
    chat: str = ""
    agent: str = ""
    """Who asks."""
    options: tuple[str, ...] = ()
    default: str | None = None
    """Applied when the deadline passes; None: no default."""
    seconds: float = 0.0
    """Deadline from now; 0: none."""
    assignee: str = ""
    kind: QuestionKind = "question"
    form: Form = "text"
    detail: str = ""
    """What exactly it is about: the code, the arguments of the call."""
    digest: str = ""
    """SHA-256, hexadecimal, of what is done if the answer is yes: the answer is good for that and for nothing else."""


class Answer(Payload, frozen=True, kw_only=True):
    """What the person said, and who it was."""

    text: str
    by: str = ""
    """Who, as the console tells it; empty: the default was applied."""
    origin: str = ""
    """From where: the verified name of the console; empty: the default was applied."""
    at_ms: int = 0
    """When, in milliseconds since 1970."""
    digest: str = ""
    """That of the question."""

    @property
    def agrees(self) -> bool:
        """Whether it is a yes. Whatever is no plain yes is a no."""
        return self.text.strip().casefold() in YES


YES = frozenset({"yes", "y", "approve", "approved", "ok"})


class InboxItem(Payload, frozen=True, kw_only=True):
    """A question to a person; `inbox.list` is answered with a list of these."""

    number: int
    question: Question
    asked_ms: int = 0
    answer: Answer | None = None
    due_ms: int = 0
    """When the default applies, in milliseconds since 1970; 0: there is no deadline."""


class InboxAnswer(Payload, frozen=True, kw_only=True):
    """Body of the request `inbox.answer`; refused when the item is answered already or unknown."""

    number: int
    text: str
    by: str = ""
    digest: str = ""
    """Of what was read; where it is given, and is not the question's, the answer is refused."""


class InboxRef(Payload, frozen=True, kw_only=True):
    """Body of the request `inbox.item`, answered with `InboxItem`, also when that is closed."""

    number: int
