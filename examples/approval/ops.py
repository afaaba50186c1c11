"""What an agent may do only when a person has said yes."""

from typing import Annotated

from rostra.agents import tool


@tool
def releases() -> list[str]:
    """The releases that can be put out."""
    return ["1.4.0", "1.4.1"]


@tool
def release(version: Annotated[str, "Which one."], to: Annotated[str, "staging or production."]) -> str:
    """Put a release out."""
    return f"{version} is on {to} now."
