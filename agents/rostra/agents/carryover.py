"""What earlier chats hand to the next one, added to its opening message."""

from collections.abc import Mapping
from typing import Any

Content = str | list[dict[str, Any]] | None


def with_carryover(content: Content, carryover: Any) -> Content:
    """`content` with `carryover` after it; for multimodal content, as a text part in front.

    A text is taken as it is; a list is joined by line breaks, and of a dict in it (a message, say) its content is taken. Raises
    ValueError for anything else.
    """
    text = carryover_text(carryover)
    if not text:
        return content
    addition = f"\nContext: \n{text}"
    if isinstance(content, list):
        return [{"type": "text", "text": addition.lstrip()}, *content]
    return (content or "") + addition


def carryover_text(carryover: Any) -> str:
    """A carryover as one text; raises ValueError for what is none."""
    match carryover:
        case None:
            return ""
        case str():
            return carryover
        case list() | tuple():
            return "\n".join(_item(each) for each in carryover)
        case _:
            raise ValueError(f"a carryover is text or a list, not {type(carryover).__name__}")


def _item(item: Any) -> str:
    if isinstance(item, Mapping) and "content" in item:
        return str(item["content"])
    return str(item)
