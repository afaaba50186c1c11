"""Code in messages."""

import pytest

from rostra.agents.code.blocks import find_blocks, latest_blocks
from rostra.agents.prompt import OUTPUT
from rostra.protocol import ChatMessage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no code", []),
        ("```python\nx = 1\n```", [("python", "x = 1\n")]),
        ("``` python\r\nx = 1\r\n```", [("python", "x = 1\n")]),
        ("say\n```sh\nls\n```\nand\n```Bash\nid\n```", [("sh", "ls\n"), ("bash", "id\n")]),
        ("```\nprint(1)\n```", [("python", "print(1)\n")]),
        ("```\nplain words, no code\n```", [("", "plain words, no code\n")]),
        ("```\n#!/bin/sh\nls\n```", [("sh", "#!/bin/sh\nls\n")]),
        ("- do\n  ```python\n  if x:\n      y\n  ```", [("python", "if x:\n    y\n")]),
        ("````python\nx = '''\n```\n'''\n````", [("python", "x = '''\n```\n'''\n")]),
        ("```c++\nint x;\n```", [("c++", "int x;\n")]),
        ("```python title='a'\nx\n```", [("python", "x\n")]),
        ("```python\nnever closed", []),
        ("```python\n```", [("python", "")]),
    ],
)
def test_fenced_blocks_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(block.language, block.code) for block in find_blocks(text)] == expected


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("# filename: a.py\nx = 1\n", "a.py"),
        ("x = 1\n# filename: a.py\n", ""),
        ("# filename: ../a.py\n", ""),
        ("# filename: /etc/passwd\n", ""),
        ("# filename: .hidden\n", ""),
    ],
)
def test_only_a_plain_file_name_in_the_first_line_is_taken(code: str, name: str) -> None:
    assert find_blocks(f"```python\n{code}```")[0].filename == name


def said(name: str, text: str) -> ChatMessage:
    return ChatMessage(name=name, content=text)


def test_the_newest_message_with_code_is_taken_back_to_ones_own_last() -> None:
    old, new = said("bob", "```sh\nold\n```"), said("bob", "```sh\nnew\n```")
    own, talk, quote = said("ann", "mine"), said("bob", "talk"), said("bob", "```\nas he said: nothing\n```")

    def codes(*messages: ChatMessage, last: int | None = None) -> list[str]:
        return [block.code for block in latest_blocks(messages, "ann", "auto" if last is None else last)]

    assert codes(old, new) == ["new\n"]
    assert codes(old, talk, quote) == ["old\n"]
    assert codes(old, own, talk) == []
    assert codes(old, own, new) == ["new\n"]
    assert codes(old, own, talk, last=2) == []
    assert codes(old, own, talk, last=3) == ["old\n"]


def test_what_is_data_is_not_searched_for_code() -> None:
    code = "```sh\nls\n```"
    data = [
        ChatMessage(name="bob", role="tool", content=code),
        ChatMessage(name="bob", role="function", content=code),
        ChatMessage(name="bob", content=code, metadata={OUTPUT: True}),
        ChatMessage(name="ann", content=code),
    ]
    assert latest_blocks(data, "ann", 10) == []
    assert len(latest_blocks([ChatMessage(name="bob", content=code), *data], "ann", 10)) == 1
