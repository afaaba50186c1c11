"""The campaigns are run by `make chaos SIZE=ci|nightly`, not by `make test`: they take minutes, or an hour."""

import json
import os
from collections.abc import Callable

import pytest

SIZE = os.environ.get("CHAOS_SIZE", "")
FIGURES = os.environ.get("CHAOS_FIGURES", "")
"""A file to which each figure is added as a line of JSON, as soon as it is known."""
collect_ignore_glob = [] if SIZE else ["test_*.py"]


def sized(ci: int, nightly: int) -> int:
    """How many, at the size that is run. A number as size is a share of the CI size, in per cent."""
    if SIZE == "nightly":
        return nightly
    return max(1, ci * int(SIZE) // 100) if SIZE.isdigit() else ci


def lots(count: int, most: int) -> list[int]:
    """`count` divided into lots of about `most`: how many each has."""
    number = max(1, round(count / most))
    return [count * (lot + 1) // number - count * lot // number for lot in range(number)]


_said: list[str] = []


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a figure at the end of the run, and writes it down at once."""

    def say(figure: str) -> None:
        _said.append(figure)
        if FIGURES:
            with open(FIGURES, "a") as file:
                file.write(json.dumps({"campaign": request.node.name, "figure": figure}) + "\n")

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, in the order in which the campaigns ended."""
    if _said:
        terminalreporter.section(f"figures at size {SIZE}")
    for line in _said:
        terminalreporter.write_line(line)
