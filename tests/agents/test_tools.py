"""Functions that models call."""

import asyncio
import contextlib
import enum
import threading
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.agents.responder import Context
from rostra.agents.tools import BadTool, FunctionTool, ToolBox, tool, tool_message
from rostra.agents.tools.function_tool import MAX_ANSWER
from rostra.agents.tools.repair import BadArguments, escaped, parse_arguments
from rostra.protocol import ToolCall

CONTEXT = Context(agent="ann", chat="c1")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    x: int
    y: int = 0


class Options(TypedDict):
    deep: bool


class Box(msgspec.Struct):
    size: Annotated[int, msgspec.Meta(ge=1)]


@tool(description="Adds.")
def add(a: Annotated[int, "the first number"], b: int = 2) -> int:
    return a + b


async def run(one: FunctionTool, **arguments: Any) -> str:
    return await one.run(msgspec.json.encode(arguments).decode(), CONTEXT)


@pytest.mark.semantics("S1.22")
def test_the_schema_follows_from_the_annotations() -> None:
    assert msgspec.to_builtins(add.schema) == {
        "name": "add",
        "description": "Adds.",
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "description": "the first number"},
                "b": {"type": "integer", "default": 2},
            },
            "required": ["a"],
            "additionalProperties": False,
        },
    }


def test_a_tool_is_still_its_function() -> None:
    assert add(1, b=4) == 5
    assert add.name == "add"


async def test_rich_types_are_described_and_converted() -> None:
    seen: list[Any] = []

    @tool
    def rich(
        colour: Colour,
        place: Place,
        options: Options,
        box: Box,
        mode: Literal["fast", "slow"] = "fast",
        words: list[Annotated[str, "a word"]] | None = None,
        counts: dict[str, int] = {"a": 1},  # noqa: B006 - what users write
    ) -> str:
        """Takes everything."""
        seen.append((colour, place, options, box, mode, words, counts))
        return "ok"

    parameters = rich.schema.parameters
    assert parameters["required"] == ["colour", "place", "options", "box"]
    assert parameters["$defs"]["Place"]["required"] == ["x"]
    assert parameters["properties"]["mode"] == {"enum": ["fast", "slow"], "default": "fast"}
    assert parameters["properties"]["words"]["anyOf"][0]["items"] == {"type": "string", "description": "a word"}
    assert await run(rich, colour="red", place={"x": 1}, options={"deep": True}, box={"size": 3}, words=["a"]) == "ok"
    assert seen == [(Colour.RED, Place(1, 0), {"deep": True}, Box(3), "fast", ["a"], {"a": 1})]


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ('{"a": 1}', "3"),
        ('{"a": "40", "b": 2}', "42"),
        ("{}", "Error: Object missing required field `a`"),
        ("", "Error: Object missing required field `a`"),
        ('{"a": "many"}', "Error: Expected `int`, got `str` - at `$.a`"),
        ('{"a": 1, "c": 2}', "Error: Object contains unknown field `c`"),
        ("[1]", "Error: the arguments must be a JSON object"),
    ],
)
async def test_arguments_are_checked_and_the_model_is_told(arguments: str, answer: str) -> None:
    assert await add.run(arguments, CONTEXT) == answer


@pytest.mark.semantics("S1.24")
async def test_bad_json_is_an_answer_that_says_so() -> None:
    assert (await add.run('{"a": ', CONTEXT)).startswith("Error: the arguments are not valid JSON")


@pytest.mark.semantics("S1.25")
async def test_line_breaks_inside_strings_are_repaired() -> None:
    @tool(description="Echoes.")
    def echo(text: str) -> str:
        return text

    assert await echo.run('{\n "text": "one\ntwo\tthree"\n}', CONTEXT) == "one\ntwo\tthree"


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_valid_json_means_the_same_after_repair(value: dict[str, Any]) -> None:
    text = msgspec.json.encode(value).decode()
    assert escaped(text) == text
    assert parse_arguments(text) == value


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_raw_control_characters_in_a_string_survive(text: str) -> None:
    written = '{"x": "' + text.replace("\\", "\\\\").replace('"', '\\"') + '"}'
    assert parse_arguments(written) == {"x": text}


@given(st.text())
def test_any_text_is_arguments_or_a_named_error(text: str) -> None:
    with contextlib.suppress(BadArguments):
        assert isinstance(parse_arguments(text), dict)


@pytest.mark.semantics("S1.24")
async def test_an_exception_is_an_answer() -> None:
    @tool(description="Fails.")
    async def fail() -> None:
        raise KeyError("x")

    assert await run(fail) == "Error: KeyError: 'x'"


async def test_results_become_text() -> None:
    results: list[Any] = ["as is", None, {"a": [1]}, 2.5, Place(1), object]

    @tool(description="Gives.")
    def give(number: int) -> Any:
        return results[number]

    texts = [await run(give, number=number) for number in range(len(results))]
    assert texts == ["as is", "", '{"a":[1]}', "2.5", '{"x":1,"y":0}', str(object)]


async def test_a_long_answer_is_cut_and_says_so() -> None:
    @tool(description="Talks.")
    def talk() -> str:
        return "x" * (MAX_ANSWER + 7)

    assert (await run(talk)).endswith("\n… (7 characters are left out)")


async def test_a_context_argument_is_filled_in_and_not_shown() -> None:
    @tool(description="Tells the chat.")
    def where(context: Context, loud: bool = False) -> str:
        return context.chat

    assert list(where.schema.parameters["properties"]) == ["loud"]
    assert await run(where) == "c1"


async def test_a_plain_tool_runs_beside_the_loop() -> None:
    @tool(description="Tells its thread.")
    def thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await run(thread) == "false"


@pytest.mark.semantics("S1.23")
async def test_calls_run_at_once_and_are_answered_in_order() -> None:
    both = asyncio.Barrier(2)

    @tool(description="Meets the other.")
    async def meet(number: int) -> int:
        await asyncio.wait_for(both.wait(), 20)
        return number

    calls = [ToolCall(id=f"id{number}", name="meet", arguments=f'{{"number": {number}}}') for number in (1, 2)]
    responses = await ToolBox([meet]).run([*calls, ToolCall(id="id3", name="nope")], CONTEXT)
    assert [(each.id, each.content) for each in responses] == [
        ("id1", "1"),
        ("id2", "2"),
        ("id3", "Error: Function nope not found."),
    ]
    message = tool_message(responses, "ann")
    assert (message.role, message.content) == ("tool", "1\n\n2\n\nError: Function nope not found.")


def test_what_no_model_can_call_is_refused_with_the_reason() -> None:
    def untyped(a) -> None:  # type: ignore[no-untyped-def]
        """Takes something."""

    def many(*numbers: int) -> None:
        """Takes many."""

    def odd(thread: threading.Thread) -> None:
        """Takes a thread."""

    def silent(a: int) -> None:
        pass

    for function, reason in (
        (untyped, "'a' has no type"),
        (many, r"\*numbers"),
        (odd, "Thread"),
        (silent, "needs a description"),
    ):
        with pytest.raises(BadTool, match=reason):
            FunctionTool(function)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(BadTool, match="two tools called 'add'"):
        ToolBox([add, FunctionTool(lambda: None, name="add", description="Another.")])
