"""The selection `auto`: a model is shown the members and the conversation, and names who speaks next. Pure.

The dialogue is: who the members are; what was said; the question. An answer that names exactly one candidate decides. One that
names several, or none, is followed by a second question that says what was wrong with it, as often as the options say.
"""

import re
from collections.abc import Sequence
from itertools import islice

from rostra.protocol import ChatMessage, Member

from .fit import newest
from .mentions import mentioned
from .options import SelectorOptions

_PLACE = re.compile(r"\{(roles|names|agentlist|found)\}")
_ROLES = """You moderate a conversation between several members. They are:
{roles}

Read the conversation that follows, then decide who of {names} should speak next. Answer with the name alone."""
_PROMPT = "You have read the conversation. Who of {names} should speak next? Answer with the name alone."
_SEVERAL = """Your answer named more than one member: {found}. Only one can speak next.
If you named others on the way to your choice, the member you chose is meant; if several should speak, the first of them is.
The names to choose from are {names}; spelling matters. Answer with one name and nothing else."""
_NONE = """Your answer named none of the members who may speak next.
The names to choose from are {names}; spelling matters. Answer with one name and nothing else."""


_OWN = SelectorOptions()


class Dialogue:
    """One selection by a model: `messages` is what to ask, `answer` takes what it said."""

    def __init__(
        self,
        members: Sequence[Member],
        history: Sequence[ChatMessage],
        candidates: Sequence[str],
        options: SelectorOptions = _OWN,
    ) -> None:
        self._names, self._candidates = [member.name for member in members], tuple(candidates)
        self._options = options
        self._roles = "\n".join(f"{one.name}: {' '.join(one.description.split())}".rstrip(": ") for one in members)
        self.answers: list[str] = []
        """What the model said, word for word."""
        opening = ChatMessage(role="system", content=self._filled(options.roles or _ROLES))
        visible = (message for message in map(shown, reversed(history)) if message is not None)
        self.messages: tuple[ChatMessage, ...] = (
            opening,
            *newest(islice(visible, options.last or None)),
            ChatMessage(role=options.role, content=self._filled(options.prompt or _PROMPT)),
        )

    @property
    def exhausted(self) -> bool:
        """No more questions are left."""
        return len(self.answers) > self._options.retries

    def answer(self, text: str) -> str:
        """Take the model's answer: the member it chose, or "" (ask `messages` again, unless `exhausted`)."""
        self.answers.append(text)
        found = list(mentioned(text, self._names, self._candidates))
        if len(found) == 1:
            return found[0]
        template = (self._options.several or _SEVERAL) if found else (self._options.none or _NONE)
        again = self._filled(template, found)
        self.messages = (
            *self.messages,
            ChatMessage(role="assistant", content=text[:4000]),
            ChatMessage(role=self._options.role, content=again),
        )
        return ""

    def _filled(self, template: str, found: Sequence[str] = ()) -> str:
        """A template with what it asks for; any other braces stay as they are."""
        names = _listed(self._candidates)
        values = {"roles": self._roles, "names": names, "agentlist": names, "found": _listed(found)}
        return _PLACE.sub(lambda place: values[place.group(1)], template)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def shown(message: ChatMessage) -> ChatMessage | None:
    """A message as the selector sees it: who said what; calls that wait for their answer are not shown."""
    text = message.text or "\n\n".join(one.content for one in message.tool_responses)
    return ChatMessage(role="user", name=message.name, content=text) if text.strip() else None
