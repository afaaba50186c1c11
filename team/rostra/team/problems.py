"""What is wrong with a team file."""

from collections.abc import Iterable
from pathlib import Path

from rostra.protocol import RostraError


class TeamError(RostraError):
    """One thing is wrong with a team file.

    `file`; `line`, from 1; `key`, dotted, empty for the file itself; `message`, a sentence.
    """

    code = "bad_team"

    def __init__(self, file: str | Path, line: int, key: str, message: str) -> None:
        self.file, self.line, self.key, self.message = str(file), line, key, message
        super().__init__(f"{self.file}:{line}: {key}: {message}" if key else f"{self.file}:{line}: {message}")


class BadTeam(RostraError):
    """A team file cannot be used; `problems` are all that were found, in order of line."""

    code = "bad_team"

    def __init__(self, problems: Iterable[TeamError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.key)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
