"""Tools that the agents of team.toml can use."""

from typing import Annotated


def word_count(text: Annotated[str, "The text whose words are counted."]) -> int:
    """Count the words of a text."""
    return len(text.split())
