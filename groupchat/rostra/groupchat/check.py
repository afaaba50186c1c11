"""Whether a group chat can be held with given options; said before anything starts."""

from collections.abc import Collection

from rostra.protocol.names import check_name

from .errors import BadOptions
from .flow import problem as flow_problem
from .methods import METHODS
from .options import ChatOptions
from .stop import parse


def check_options(options: ChatOptions) -> ChatOptions:
    """Return `options`; raises `BadOptions` (`StopError`, `BadName`) with a sentence about the first thing that is wrong."""
    names = [check_name(member.name) for member in options.members]
    if len(names) < 2:
        raise BadOptions(f"a group chat needs two members at least; there {'is one' if names else 'are none'}")
    for name in names:
        if names.count(name) > 1:
            raise BadOptions(f"members: {name!r} is there twice")
    if isinstance(options.selection, str) and options.selection.lower() not in METHODS:
        raise BadOptions(f"selection: {options.selection!r} is no method; there are {', '.join(METHODS)}")
    if isinstance(options.selection, str) and options.selection.lower() == "flow" and options.flow is None:
        raise BadOptions("selection: flow needs a flow")
    for edge in options.flow.edges if options.flow is not None else ():
        if isinstance(edge.function, str) and edge.function:
            raise BadOptions(f"flow: the edge from {edge.source}: when: {edge.function} is a name: give the function itself")
    wrong = flow_problem(options.flow, names) if options.flow is not None else ""
    if wrong:
        raise BadOptions(f"flow: {wrong}")
    if options.max_rounds < 1:
        raise BadOptions("max_rounds: 1 is the least; the opening message counts")
    if options.turn_seconds <= 0 or options.turn_retries < 0:
        raise BadOptions("turn_seconds must be positive, turn_retries 0 or more")
    if not isinstance(options.repeat, bool):
        _known("repeat", options.repeat, names)
    _known("people", options.people, names)
    transitions = options.transitions
    if transitions is not None:
        if (transitions.allowed is None) == (transitions.disallowed is None):
            raise BadOptions("transitions: give either allowed or disallowed")
        for source, targets in (transitions.allowed or transitions.disallowed or {}).items():
            _known("transitions", (source, *targets), names)
    if options.stop.strip():
        parse(options.stop)
    for name, inner in options.inner.items():
        try:
            check_options(inner)
        except BadOptions as error:
            raise BadOptions(f"the inner chat of {name}: {error}") from None
    return options


def _known(key: str, wanted: Collection[str], names: Collection[str]) -> None:
    for name in wanted:
        if name not in names:
            raise BadOptions(f"{key}: {name!r} is no member")
