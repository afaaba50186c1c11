"""The campaigns are run by `make chaos SIZE=ci|nightly`, not by `make test`: they take minutes, or hours."""

import os
from collections.abc import Callable

import pytest

SIZE = os.environ.get("CHAOS_SIZE", "")
collect_ignore_glob = [] if SIZE else ["test_*.py"]


def sized(ci: int, nightly: int) -> int:
    """How many, at the size that is run. A number as size is a share of the CI size, in per cent."""
    if SIZE == "nightly":
        return nightly
    return max(1, ci * int(SIZE) // 100) if SIZE.isdigit() else ci


_said: list[str] = []


@pytest.fixture
def tell() -> Callable[[str], None]:
    """Prints a figure at the end of the run."""
    return _said.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, in the order in which the campaigns ended."""
    if _said:
        terminalreporter.section(f"figures at size {SIZE}")
    for line in _said:
        terminalreporter.write_line(line)
