"""The specification and the tests name the same requirements."""

import re
from pathlib import Path

from rostra.protocol.errors import BY_CODE
from rostra.protocol.messages import TYPES, Type

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "protocol" / "SPEC.md").read_text()
SPECIFIED = re.findall(r"\[(R-[A-Z]+-\d+)\]", SPEC.split("## 1.", 1)[1])
TESTED = {
    id_ for path in (ROOT / "tests").rglob("*.py") for id_ in re.findall(r'requirement\("(R-[A-Z]+-\d+)"\)', path.read_text())
}


def test_every_requirement_is_tested() -> None:
    assert set(SPECIFIED) - TESTED == set()


def test_every_tested_requirement_is_specified_once() -> None:
    assert TESTED - set(SPECIFIED) == set()
    assert sorted(SPECIFIED) == sorted(set(SPECIFIED))


def test_every_must_is_in_a_paragraph_with_a_requirement() -> None:
    for paragraph in re.split(r"\n(?:\n|- )", SPEC.split("## 1.", 1)[1]):
        if re.search(r"\bMUST\b", paragraph):
            assert re.search(r"\[R-[A-Z]+-\d+\]", paragraph), paragraph


def test_the_table_of_messages_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \| [^|]+ \| ([^|]+) \|$", SPEC, re.MULTILINE)
    assert {Type(int(number)): name for number, name, _ in rows} == {kind: kind.name for kind in Type}
    for number, _, fields in rows:
        header = TYPES[Type(int(number))]
        named = re.findall(r"`(\w+)`", fields.split("; body")[0])
        assert tuple(named) == header.__struct_fields__


def test_every_code_of_the_wire_is_in_the_table_of_errors() -> None:
    table = SPEC.split("## 8. Errors", 1)[1].split("## 9.", 1)[0]
    assert set(BY_CODE) <= set(re.findall(r"`(\w+)`", table))
