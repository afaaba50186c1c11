"""Who has the floor, as operators have left it: what the controls of a chat add up to. Pure.

The controls are rows of the transcript; taking them again, in order, gives the same floor after any restart.
"""

from collections.abc import Collection

import msgspec

from rostra.protocol.chat import Control, Payload


class Floor(Payload, frozen=True, kw_only=True):
    """What controls have changed."""

    members: tuple[str, ...]
    max_rounds: int
    no_input: bool = False
    muted: tuple[str, ...] = ()
    since: dict[str, int] = {}
    """Members that joined later, or whose view was cleared: the last place that they are not shown."""
    cleared: int = 0
    """The last place that whoever selects speakers is not shown."""
    summaries: dict[str, str] = {}
    """What members that joined later were told of what they are not shown."""
    paused: bool = False
    """No further turn is begun."""
    step: bool = False
    """After the next turn the chat pauses."""
    next: Control | None = None
    """Who speaks next, whatever the rules say."""
    stop: Control | None = None
    """The chat ends when the open turn is closed."""
    selection: str = ""
    """How speakers are chosen; empty: as the chat's options say."""
    tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    """The budget; 0: that of the chat's options."""
    asking: str = ""
    """Which limit a person is asked to extend, a sentence; the chat is paused meanwhile."""
    extensions: int = 0
    """How often a person was asked to."""

    def with_control(self, control: Control) -> "Floor":
        """The floor after a control."""
        replace = msgspec.structs.replace
        agent = control.agent
        match control.what:
            case "pause":
                return replace(self, paused=True, step=False)
            case "resume":
                return replace(self, paused=False, step=False, no_input=self.no_input and not control.now, asking="")
            case "step":
                return replace(self, paused=False, step=True, asking="")
            case "next":
                return replace(self, next=control)
            case "takeover":
                return replace(self, next=control if agent else None, paused=not agent, step=False)
            case "mute":
                return replace(self, muted=(*self.muted, agent))
            case "unmute":
                return replace(self, muted=tuple(name for name in self.muted if name != agent))
            case "join":
                since, told = {**self.since, agent: control.sequence}, {**self.summaries, agent: control.summary}
                return replace(self, members=(*self.members, agent), since=since, summaries=told)
            case "clear":
                whom = (agent,) if agent else self.members
                since = {**self.since, **{name: max(self.since.get(name, 0), control.sequence) for name in whom}}
                return replace(self, since=since, cleared=self.cleared if agent else max(self.cleared, control.sequence))
            case "leave":
                wanted = self.next if self.next is not None and self.next.agent != agent else None
                without = tuple(name for name in self.members if name != agent)
                return replace(self, members=without, muted=tuple(name for name in self.muted if name != agent), next=wanted)
            case "limit":
                return self._limited(control)
            case "answer":
                return self._limited(control) if control.tokens or control.cost or control.seconds else self
            case "budget":
                return replace(self, paused=True, step=False, asking=control.reason, extensions=self.extensions + 1)
            case "selection":
                return replace(self, selection=control.selection)
            case "stop":
                return replace(self, stop=control)
            case "rewind" | "fork":
                since = {name: place for name, place in self.since.items() if place < control.sequence}
                cleared = self.cleared if self.cleared < control.sequence else 0
                self = replace(self, since=since, cleared=cleared)  # what was cleared later is there again
                paused = control.paused or (self.paused and not self.asking)
                return replace(self, next=None, stop=None, step=False, paused=paused, asking="")
            case "skip":
                return self

    def _limited(self, control: Control) -> "Floor":
        return msgspec.structs.replace(
            self,
            max_rounds=control.max_rounds or self.max_rounds,
            tokens=control.tokens or self.tokens,
            cost=control.cost or self.cost,
            seconds=control.seconds or self.seconds,
            paused=self.paused and not self.asking,
            asking="",
        )

    def turn_begun(self) -> "Floor":
        """The floor once a turn is journalled: whoever was wanted next has it."""
        return self if self.next is None else msgspec.structs.replace(self, next=None)

    def turn_over(self) -> "Floor":
        """The floor after a turn that was not taken back."""
        return msgspec.structs.replace(self, step=False, paused=True) if self.step else self


def problem(
    floor: Floor, control: Control, *, team: Collection[str], speakers: Collection[str], messages: int, methods: Collection[str]
) -> str:
    """Why a control makes no sense now, a sentence; empty: it does.

    `team`: everyone who could join; `speakers`: whose turns are open; `messages`: how many there are; `methods`: how speakers
    may be chosen.
    """
    agent = control.agent
    match control.what:
        case "pause" if floor.paused and not (control.now and speakers):
            return "the chat is paused already"
        case "resume" if not (floor.paused or floor.step or floor.no_input):
            return "the chat is not paused"
        case "takeover" if agent and agent in speakers:
            return f"{agent} has the floor already"
        case "skip" if not speakers:
            return "there is no turn to skip"
        case "skip" if agent not in speakers:
            turns = f"these have turns: {', '.join(speakers)}"
            return f"{agent!r} has no turn; {turns}" if agent else f"say whom to skip; {turns}"
        case "clear" if agent and agent not in floor.members:
            return f"{agent!r} is no member of the chat; there are {', '.join(floor.members)}"
        case "next" | "mute" | "unmute" | "leave" if agent not in floor.members:
            return f"{agent!r} is no member of the chat; there are {', '.join(floor.members)}"
        case "next" if agent in floor.muted:
            return f"{agent} is muted"
        case "mute" if agent in floor.muted:
            return f"{agent} is muted already"
        case "mute" if set(floor.members) <= {agent, *floor.muted}:
            return "somebody must be left to speak"
        case "unmute" if agent not in floor.muted:
            return f"{agent} is not muted"
        case "join" if agent in floor.members:
            return f"{agent} is a member already"
        case "join" if agent not in team:
            return f"{agent!r} is no agent of the team; there are {', '.join(team)}"
        case "leave" if len(floor.members) <= 2:
            return "a group chat needs two members at least"
        case "leave" if set(floor.members) - {agent} <= set(floor.muted):
            return "somebody must be left to speak"
        case "limit" if min(control.max_rounds, control.tokens, control.cost, control.seconds) < 0:
            return "a limit is a positive number"
        case "limit" if not (control.max_rounds or control.tokens or control.cost or control.seconds):
            return "a limit of messages, tokens, cost or seconds is wanted; of messages, 1 is the least, and the opening counts"
        case "selection" if control.selection not in methods:
            return f"selection: {control.selection!r} is no method; there are {', '.join(methods)}"
        case "rewind" if not 1 <= control.sequence <= messages:
            return f"there is no message {control.sequence}; there are {messages}"
    return ""


def sentence(control: Control) -> str:
    """A control in words."""
    by, agent = control.by or "the chat", control.agent
    why = f": {control.reason}" if control.reason else ""
    match control.what:
        case "pause":
            return f"{by} paused the chat{why}"
        case "resume":
            return f"{by} resumed the chat{why}"
        case "step":
            return f"{by} lets one turn happen{why}"
        case "stop":
            return f"{by} stops the chat{'' if control.now else ' after this turn'}{why}"
        case "skip":
            return f"{by} skipped {agent}{why}"
        case "next":
            return f"{by} gives {agent} the floor{why}"
        case "takeover":
            return f"{by} gives {agent} the floor{why}" if agent else f"{by} paused the chat; it has no admin to ask{why}"
        case "mute":
            return f"{by} muted {agent}{why}"
        case "unmute":
            return f"{by} unmuted {agent}{why}"
        case "join":
            return f"{by} let {agent} join{why}"
        case "leave":
            return f"{by} let {agent} leave{why}"
        case "limit":
            return f"{by} set the limit to {_limits(control)}{why}"
        case "clear":
            kept = f", but for the last {control.last}" if control.last > 0 else ""
            return f"{by} cleared what {agent or 'everybody'} is shown{kept}{why}"
        case "selection":
            return f"{by} lets speakers be chosen by {control.selection}{why}"
        case "budget":
            return f"{by} asks whether it may go on{why}"
        case "answer":
            return f"{_answered(control)}{why}"
        case "rewind":
            return f"{by} rewound the chat to message {control.sequence}{why}"
        case "fork":
            if not control.chat:
                return f"{control.sequence} messages were imported{why}"
            return f"{by} forked {control.chat} at message {control.sequence}{why}"


def _limits(control: Control) -> str:
    parts = [
        f"{control.max_rounds} messages" if control.max_rounds else "",
        f"{control.tokens:,} tokens" if control.tokens else "",
        f"{control.cost:g} dollars" if control.cost else "",
        f"{control.seconds:g} seconds" if control.seconds else "",
    ]
    return " and ".join(filter(None, parts))


def _answered(control: Control) -> str:
    answer, asker = control.item.answer if control.item is not None else None, control.agent or "the chat"
    if answer is None:
        return f"{control.by or 'nobody'} answered {asker}" + ("" if control.by else " in time")
    where = f" at {answer.origin}" if answer.origin not in ("", answer.by) else ""
    who = f"{answer.by}{where} answered" if answer.by else "the default answered"
    limit = f", and the limit is {_limits(control)}" if control.tokens or control.cost or control.seconds else ""
    return f"{who} {asker}: {answer.text}{limit}"
