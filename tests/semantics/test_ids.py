"""The rows of docs/autogen-semantics.md and the tests that check them refer to each other."""

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "autogen-semantics.md"
ROW = re.compile(r"^\| (S\d+\.\d+) \| (held|difference|not yet) \| (.+) \|$", re.MULTILINE)


def rows() -> dict[str, str]:
    """Id → status."""
    found = ROW.findall(PAGE.read_text())
    assert len({id_ for id_, _, _ in found}) == len(found), "an id stands for one row"
    return {id_: status for id_, status, _ in found}


@functools.cache
def named() -> dict[str, list[str]]:
    """Id → the tests that carry it."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.semantics":
                    for argument in mark.args:
                        id_ = ast.literal_eval(argument)  # ids are literal
                        found.setdefault(id_, []).append(f"{path.name}::{node.name}")
    return found


def test_every_row_that_is_said_to_be_so_has_a_test_and_no_other_row_has() -> None:
    tests = named()
    untested = [id_ for id_, status in rows().items() if status != "not yet" and id_ not in tests]
    ahead = [id_ for id_, status in rows().items() if status == "not yet" and id_ in tests]
    assert (untested, ahead) == ([], [])


def test_every_id_that_a_test_carries_is_a_row() -> None:
    unknown = {id_: tests for id_, tests in named().items() if id_ not in rows()}
    assert unknown == {}


def test_the_page_has_no_row_without_an_id() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| id ")]
    assert len(lines) == len(rows())
