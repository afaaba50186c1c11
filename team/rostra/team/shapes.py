"""Checks plain values, as `tomllib` reads them, against the schema, and says in plain English what does not fit.

msgspec's own conversion stops at the first fault and knows no near misses; this walk finds them all and leaves out what is
wrong, so that the rest can still be checked.
"""

import difflib
import json
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect as types

from .lines import Path

Found = list[tuple[Path, str]]
"""Key path → sentence."""


class Misfit(Exception):
    """A value that does not fit; the message says what was expected."""


def fit(value: Any, kind: type[msgspec.Struct]) -> tuple[Any, Found]:
    """`value` without what does not fit the struct `kind`, and what that was."""
    walk = _Walk()
    return walk.value(types.type_info(kind), value, (), "entry"), walk.found


def suggestion(word: str, words: Iterable[str]) -> str:
    """`; did you mean "x"?` for the word nearest to `word`, else the list of what there is."""
    known = list(words)
    near = difflib.get_close_matches(word, known, 1, 0.6)
    if near:
        return f"; did you mean {shown(near[0])}?"
    return f"; there is {', '.join(known)}" if known else "; there is none"


def shown(value: Any) -> str:
    """`value` as a reader of the file would write it, shortened."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1:]


class _Walk:
    def __init__(self) -> None:
        self.found: Found = []

    def value(self, kind: types.Type, value: Any, path: Path, noun: str) -> Any:
        """The part of `value` that fits; raises `Misfit` when nothing does."""
        match kind:
            case types.Metadata():
                return self.value(kind.type, value, path, (kind.extra or {}).get("noun", noun))
            case types.StructType():
                return self._struct(kind, _of(dict, value, kind), path)
            case types.DictType():
                items = _of(dict, value, kind).items()
                return dict(self._each(((key, kind.value_type, one, noun) for key, one in items), path))
            case types.VarTupleType():
                items = enumerate(_of(list, value, kind))
                return [one for _, one in self._each(((at, kind.item_type, one, noun) for at, one in items), path)]
            case types.UnionType():
                return self.value(_arm(kind, value), value, path, noun)
            case types.LiteralType():
                if value not in kind.values:
                    raise Misfit(f"{shown(value)} is no {noun}{suggestion(str(value), map(str, kind.values))}")
            case types.AnyType():
                pass
            case _:
                _scalar(kind, value)
        return value

    def _struct(self, kind: types.StructType, table: dict[str, Any], path: Path) -> dict[str, Any]:
        fields = {field.encode_name: field for field in kind.fields}
        for key in table.keys() - fields.keys():
            self.found.append(((*path, key), f"there is no such key here{suggestion(key, fields)}"))
        known = ((key, fields[key].type, value, key) for key, value in table.items() if key in fields)
        return dict(self._each(known, path))

    def _each(self, items: Iterable[tuple[Any, types.Type, Any, str]], path: Path) -> Iterable[tuple[Any, Any]]:
        for key, kind, value, noun in items:
            try:
                yield key, self.value(kind, value, (*path, key), noun)
            except Misfit as misfit:
                self.found.append(((*path, key), str(misfit)))


def _of(kind: type, value: Any, expected: types.Type) -> Any:
    if not isinstance(value, kind):
        raise Misfit(f"expected {_expected(expected)}, found {shown(value)}")
    return value


def _arm(kind: types.UnionType, value: Any) -> types.Type:
    """The member of a union that `value` is meant for, by its shape."""
    for arm in kind.types:
        match arm:
            case types.StructType() | types.DictType() if isinstance(value, dict):
                return arm
            case types.VarTupleType() if isinstance(value, list):
                return arm
            case types.BoolType() if isinstance(value, bool):
                return arm
            case types.IntType() if isinstance(value, int) and not isinstance(value, bool):
                return arm
            case types.StrType() if isinstance(value, str):
                return arm
            case types.LiteralType() if value in arm.values:
                return arm
            case _:
                pass
    raise Misfit(f"expected {_expected(kind)}, found {shown(value)}")


def _scalar(kind: types.Type, value: Any) -> None:
    match kind:
        case types.StrType():
            fits = isinstance(value, str)
        case types.BoolType():
            fits = isinstance(value, bool)
        case types.IntType():
            fits = isinstance(value, int) and not isinstance(value, bool) and _in_range(kind, value)
        case types.FloatType():
            fits = isinstance(value, int | float) and not isinstance(value, bool) and _in_range(kind, value)
        case _:
            raise TypeError(f"the schema has a type that this walk does not know: {kind}")
    if not fits:
        raise Misfit(f"expected {_expected(kind)}, found {shown(value)}")


def _in_range(kind: types.IntType | types.FloatType, value: float) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and value - value == 0  # neither infinite nor nan
    )


def _range(kind: types.IntType | types.FloatType) -> str:
    words = [
        f"{word} {bound:g}"
        for word, bound in (("at least", kind.ge), ("more than", kind.gt), ("at most", kind.le))
        if bound is not None
    ]
    return f" of {' and '.join(words)}" if words else ""


def _expected(kind: types.Type) -> str:
    match kind:
        case types.Metadata():
            return _expected(kind.type)
        case types.StructType() | types.DictType():
            return "a table"
        case types.VarTupleType():
            return "a list"
        case types.StrType():
            return "a text"
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return "a whole number" + _range(kind)
        case types.FloatType():
            return "a number" + _range(kind)
        case types.LiteralType():
            return " or ".join(shown(value) for value in kind.values)
        case types.UnionType():
            return " or ".join(_expected(arm) for arm in kind.types if not isinstance(arm, types.NoneType))
        case _:
            return "something else"
