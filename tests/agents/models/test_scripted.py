"""The scripted model."""

from pathlib import Path
from typing import Any

import pytest

from rostra.agents.models import BadScript, ModelError, ScriptedModel
from rostra.protocol import ChatMessage
from rostra.protocol.completion import CompletionRequest


def turn(number: int, agent: str = "planner", **fields: Any) -> CompletionRequest:
    """The request for reply `number`, counted from 0."""
    own = tuple(ChatMessage(content="mine", role="assistant") for _ in range(number))
    return CompletionRequest(messages=(ChatMessage(content="?"), *own), agent=agent, **fields)


SCRIPT = """
planner = ["first", { text = "second", delay = 0.01 }, { tool_calls = [{ name = "f", arguments = { a = 1 } }] }]
"*" = ["anyone"]
"""


def load(path: Path, text: str) -> ScriptedModel:
    file = path / "script.toml"
    file.write_text(text)
    return ScriptedModel.load(file)


async def test_replies_come_in_the_order_of_the_agents_own_words(tmp_path: Path) -> None:
    model = load(tmp_path, SCRIPT)

    assert [(await model.complete(turn(number))).content for number in (0, 1, 0)] == ["first", "second", "first"]
    assert (await model.complete(turn(2))).tool_calls[0].arguments == '{"a":1}'
    assert (await model.complete(turn(0, "coder"))).content == "anyone"


async def test_the_ordinal_counts_before_the_messages_do(tmp_path: Path) -> None:
    assert (await load(tmp_path, SCRIPT).complete(turn(0, ordinal=1))).content == "second"


async def test_running_out_of_replies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'planner' wants reply 4, and 'planner' has 3"):
        await load(tmp_path, SCRIPT).complete(turn(3))


async def test_an_agent_without_replies_is_an_error() -> None:
    with pytest.raises(ModelError, match="no replies for 'coder'; it has some for planner"):
        await ScriptedModel({"planner": ["x"]}).complete(turn(0, "coder"))


async def test_an_error_is_raised_as_often_as_it_says_and_then_the_next_reply_is_given() -> None:
    model = ScriptedModel(["one", {"error": "busy", "retryable": True, "times": 2}, "two", {"error": "gone", "times": 0}])

    for _ in range(2):
        with pytest.raises(ModelError, match="busy") as caught:
            await model.complete(turn(1))
        assert caught.value.retryable
    assert (await model.complete(turn(1))).content == "two"
    for _ in range(3):
        with pytest.raises(ModelError, match="gone"):
            await model.complete(turn(2))


async def test_replies_stand_under_replies_too(tmp_path: Path) -> None:
    model = load(tmp_path, '[replies]\nplanner = ["x"]\n[[replies.coder]]\ntext = "y"\n')

    assert (await model.complete(turn(0, "coder"))).content == "y"


async def test_the_text_comes_in_pieces() -> None:
    pieces: list[str] = []

    await ScriptedModel([" Two  words,\nand more. "]).complete(turn(0), pieces.append)

    assert len(pieces) == 4
    assert "".join(pieces) == " Two  words,\nand more. "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("planner = 'x'", r"script.toml: planner: is a list"),
        ("planner = [1]", r"script.toml: planner\[0\]: is text or a table"),
        ("planner = ['x', { txt = 'y' }]", r"script.toml: planner\[1\]: .*`txt`"),
        ("planner = [{ tool_calls = [{ nam = 'f' }] }]", r"planner\[0\]: .*nam.*tool_calls\[0\]|planner\[0\]: .*name"),
        ("planner = [{ error = 'x', text = 'y' }]", r"planner\[0\]: .*not both"),
        ("planner = [{ text = 'x', times = 2 }]", r"planner\[0\]: .*belong to an error"),
        ("planner = [{ delay = 1 }]", r"planner\[0\]: has none of"),
        ("planner = ['x'\ncoder", r"script.toml: .*line 2"),
        ("other = ['x']\n[replies]\nplanner = ['x']", r"script.toml: other: stands beside"),
    ],
)
def test_a_malformed_script_says_where_and_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadScript, match=said):
        load(tmp_path, text)


def test_a_missing_script_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadScript, match="No such file"):
        ScriptedModel.load(tmp_path / "none.toml")
