"""The options of a chat as plain data, kept with it, so that it can be played again without its team. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rostra.protocol import Member

from .options import ChatOptions

CALLABLE = "callable"
"""Stands for a selection function, which is no data."""
_LEFT_OUT = ("members", "selection", "people", "inner", "stop_function")


def rules_of(options: ChatOptions) -> dict[str, Any]:
    """What of the options is data; the members are in the settings of the chat."""
    names = [name for name in options.__struct_fields__ if name not in _LEFT_OUT]
    plain: dict[str, Any] = {name: msgspec.to_builtins(getattr(options, name), enc_hook=_named) for name in names}
    plain["selection"] = options.selection if isinstance(options.selection, str) else CALLABLE
    plain["team"] = [member.name for member in options.members]
    return plain


def _named(function: Any) -> str:
    """A function on the edge of a flow, by its name alone."""
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", type(function).__qualname__)
    return f"{module or CALLABLE}:{name.replace('<locals>.', '').replace('<lambda>', 'function')}"


def options_of(rules: dict[str, Any], members: Iterable[Member]) -> ChatOptions:
    """The options again; raises `msgspec.ValidationError` for what `rules_of` has not made.

    A selection function is lost, the rotation stands for it; of the functions on a flow's edges the names are left.
    """
    known = {member.name: member for member in members}
    team = tuple(known.get(name, Member(name=name)) for name in rules.get("team", known))
    values = {name: value for name, value in rules.items() if name in ChatOptions.__struct_fields__}
    if values.get("selection") == CALLABLE:
        values["selection"] = "round_robin"
    selection = values.pop("selection", "auto")
    plain = msgspec.convert(values | {"members": msgspec.to_builtins(team)}, _Plain)
    return ChatOptions(selection=selection, **{name: getattr(plain, name) for name in plain.__struct_fields__})


_Plain = msgspec.defstruct(
    "_Plain",
    [
        (field.encode_name, field.type, field.default if field.default is not msgspec.NODEFAULT else field.default_factory)
        if not field.required
        else (field.encode_name, field.type)
        for field in msgspec.structs.fields(ChatOptions)
        if field.name not in ("selection", "people", "inner", "stop_function")
    ],
    kw_only=True,
)
