"""From a function's signature to the JSON Schema of its arguments, and from a model's JSON to arguments."""

import copy
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from rostra.agents.responder import Context


class BadTool(TypeError):
    """A function cannot be a tool; says why."""


class Signature:
    """The arguments of a function: what a model is told of them, and how its JSON becomes values.

    Types may be whatever msgspec knows: numbers, text, bool, Optional, Literal, lists, dicts, enums, dataclasses, TypedDict,
    structs. A text in `Annotated[type, "text"]` describes the argument. An argument of the type `Context` is filled in and not
    shown to the model. Raises `BadTool` for an argument without a type, or of a type that JSON has no form for.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.context_argument = ""
        """The name of the argument that takes the `Context`; empty: none does."""
        title = getattr(function, "__name__", type(function).__name__)
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        hints = _hints(function, title)
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise BadTool(f"{title}: a model cannot fill in {parameter}; arguments need names")
            if name not in hints:
                raise BadTool(f"{title}: the argument {name!r} has no type")
            if _plain(hints[name]) is Context:
                self.context_argument = name
            elif parameter.default is parameter.empty:
                fields.append((name, described(hints[name])))
            else:
                fields.append((name, described(hints[name]), _default(parameter.default)))
        try:
            self._struct = msgspec.defstruct(title, fields, kw_only=True, forbid_unknown_fields=True)
            self.schema = schema_of(self._struct)
            """A JSON Schema of an object."""
        except TypeError as error:
            raise BadTool(f"{title}: {error}") from None

    def convert(self, arguments: Any) -> dict[str, Any]:
        """Plain values from JSON as arguments; raises `msgspec.ValidationError`. Text is taken for a number where one is due."""
        try:
            filled = msgspec.convert(arguments, self._struct)
        except msgspec.ValidationError as error:
            try:
                filled = msgspec.convert(arguments, self._struct, strict=False)
            except msgspec.ValidationError:
                raise error from None
        return {name: getattr(filled, name) for name in self._struct.__struct_fields__}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a type whose schema is an object; definitions that it uses are kept beside it."""
    (reference,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own = reference["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = dict(components.pop(own))
    schema.pop("title", None)
    if components:
        schema["$defs"] = components
    return schema


def described(hint: Any) -> Any:
    """`hint` with each text in an `Annotated` made a description, at any depth."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, notes = arguments[0], hint.__metadata__
        kept = [note for note in notes if isinstance(note, msgspec.Meta)]
        texts = [note for note in notes if isinstance(note, str)]
        if texts:
            kept.append(msgspec.Meta(description=" ".join(texts)))
        inner = described(inner)
        for note in kept:
            inner = Annotated[inner, note]
        return inner
    if origin in (Union, types.UnionType):
        return Union[tuple(described(each) for each in arguments)]  # noqa: UP007 - made at run time
    if origin in (list, dict, tuple, set, frozenset):
        return origin[tuple(each if each is ... else described(each) for each in arguments)]
    return hint


def _hints(function: Callable[..., Any], title: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise BadTool(f"{title}: a type is not known: {error}") from None


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _default(value: Any) -> Any:
    return msgspec.field(default_factory=lambda: copy.copy(value)) if isinstance(value, list | dict | set) and value else value
