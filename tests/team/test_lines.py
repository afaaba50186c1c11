"""Where a key stands in a TOML text."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rostra.team.lines import Path, key_lines, line_of

TEXT = '''\
# a comment = "with [brackets]"
title = "a # no comment"   # but this is

[agents.planner]
tools = [
    "a:b",   # ] not the end
    'c:d',
]
system_message = """
Say "[x]" = ""nothing"" and \\"""
end with a quote""""
model.name = 'm'
"quo.ted"."key" = 1

[ agents . "the coder" ]
code = { seconds = 3, limits = { memory = 1_000, when = 1979-05-27 07:32:00 }, last = [1,
  [2, 3]] }

[[rules]]
name = "first"
[rules.inner]
x = inf
[[rules]]
name = \'\'\'
second\'\'\'
[[rules.parts]]
y = 1
[[rules.parts]]
y = 2
'''


def test_every_key_and_element_has_its_line() -> None:
    lines = key_lines(TEXT)
    expected: dict[Path, int] = {
        ("title",): 2,
        ("agents",): 4,
        ("agents", "planner"): 4,
        ("agents", "planner", "tools"): 5,
        ("agents", "planner", "tools", 0): 6,
        ("agents", "planner", "tools", 1): 7,
        ("agents", "planner", "system_message"): 9,
        ("agents", "planner", "model", "name"): 12,
        ("agents", "planner", "quo.ted", "key"): 13,
        ("agents", "the coder"): 15,
        ("agents", "the coder", "code", "limits", "when"): 16,
        ("agents", "the coder", "code", "last"): 16,
        ("agents", "the coder", "code", "last", 1): 17,
        ("agents", "the coder", "code", "last", 1, 1): 17,
        ("rules", 0): 19,
        ("rules", 0, "inner"): 21,
        ("rules", 0, "inner", "x"): 22,
        ("rules", 1): 23,
        ("rules", 1, "name"): 24,
        ("rules", 1, "parts", 1, "y"): 29,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_what_has_no_line_of_its_own_has_that_of_what_is_around_it() -> None:
    lines = key_lines("\n[chat]\nmax = 1\n")
    assert line_of(lines, ("chat", "max")) == 3
    assert line_of(lines, ("chat", "stop", 3)) == 2
    assert line_of(lines, ("agents",)) == 1


KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.text(max_size=4))
SCALARS = st.one_of(st.integers(-(2**40), 2**40), st.booleans(), st.floats(allow_nan=False), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def _string(text: str) -> str:
    return '"' + "".join(f"\\U{ord(one):08x}" if one in '"\\' or ord(one) < 32 or ord(one) == 127 else one for one in text) + '"'


def _written(value: Any, gap: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _string(value)
        case list():
            return "[" + gap + f",{gap}".join(_written(one, gap) for one in value) + gap + "]"
        case dict():
            return "{" + ", ".join(f"{_string(key)} = {_written(one, gap)}" for key, one in value.items()) + "}"
        case _:
            return repr(value)


def _paths(value: Any, path: Path = ()) -> list[Path]:
    match value:
        case dict():
            return [path, *(below for key, one in value.items() for below in _paths(one, (*path, key)))]
        case list():
            return [path, *(below for number, one in enumerate(value) for below in _paths(one, (*path, number)))]
        case _:
            return [path]


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3), st.sampled_from(["", "\n", " # ,]\n\n"]))
def test_every_path_of_any_file_is_found_on_a_line_that_rises(tables: dict[str, dict[str, Any]], gap: str) -> None:
    text = "".join(
        f"[{_string(table)}]\n" + "".join(f"{_string(key)} = {_written(value, gap)} # end\n" for key, value in keys.items())
        for table, keys in tables.items()
    )
    assert tomllib.loads(text) == tables
    lines = key_lines(text)
    assert set(lines) == set(_paths(tables))
    rows = text.splitlines() if text.isascii() else text.split("\n")
    for path, line in lines.items():
        if path and isinstance(path[-1], str):
            assert _string(path[-1]) in rows[line - 1]
    in_order = [lines[path] for path in _paths(tables)]
    assert in_order == sorted(in_order)
