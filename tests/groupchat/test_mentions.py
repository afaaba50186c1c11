"""Which names a text mentions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.groupchat.mentions import mentioned

NAMES = ("coder", "coder-1", "writer", "story_writer", "qa")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("coder", ["coder"]),
        ("Coder.", ["coder"]),
        ("**coder**", ["coder"]),
        ("coder-1", ["coder-1"]),
        ("coder-2", []),
        ("coder - because it must compile", ["coder"]),
        ("the story_writer", ["story_writer"]),
        ("the Story Writer", ["story_writer"]),
        (r"the story\_writer", ["story_writer"]),
        ("writer, not story_writer", ["writer", "story_writer"]),
        ("encoder decoder coders", []),
        ("qaqa", []),
        ("qa's turn", ["qa"]),
        ("pre-qa", []),
        ("coder, then coder-1, then coder", ["coder", "coder-1"]),
        ("", []),
        ("история", []),
    ],
)
@pytest.mark.semantics("S4.8", "S2.14")
def test_the_longest_name_counts_on_word_boundaries(text: str, found: list[str]) -> None:
    assert list(mentioned(text, NAMES)) == found


def test_names_are_counted() -> None:
    assert mentioned("qa, qa and coder", NAMES) == {"qa": 2, "coder": 1}


def test_a_member_that_may_not_speak_is_no_find_and_hides_no_shorter_name() -> None:
    assert mentioned("coder-1 and writer", NAMES, among=("coder", "writer")) == {"writer": 1}


def test_nobody_is_mentioned_where_there_are_no_names() -> None:
    assert mentioned("anything", ()) == {}


name = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda one: not one.endswith("-"))


@given(st.lists(name, min_size=1, max_size=6, unique=True), st.data())
@pytest.mark.semantics("S2.14")
def test_each_name_is_found_alone_in_every_spelling(names: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(names))
    spelling = wanted.replace("_", data.draw(st.sampled_from(["_", r"\_", " "])))
    text = data.draw(st.sampled_from(["{}", "({}).", "1. {}!", "**{}**"])).format(spelling)
    if spelling == wanted:  # a space may make words that are names of their own
        assert list(mentioned(text, names)) == [wanted]
    else:
        assert wanted in mentioned(text, [wanted])


@given(st.text(), st.lists(name, max_size=4, unique=True))
def test_any_text_can_be_read(text: str, names: list[str]) -> None:
    assert set(mentioned(text, names)) <= set(names)
