"""What is masked, and what is left alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.protocol import ChatMessage
from rostra.protocol.errors import BadMessage
from rostra.protocol.frames import decode_body, encode_body
from rostra.protocol.redaction import HELD, Pieces, Redactor, secrets_of, secrets_of_url

PASSWORD = "correct horse battery"
REDACTOR = Redactor([PASSWORD, "hunter2hunter2", "hunter2h"])

KEYS = (
    "sk-proj-abcdef0123456789ABCD",
    "sk-abcdefgh***************wxyz",
    "sk_live_0123456789abcdef",
    "rk_test_0123456789abcdef",
    "gsk_0123456789abcdefghijklmn",
    "xai-0123456789abcdefghijklmn",
    "hf_ABCdefGHIjklMNOpqrSTUvwx",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "github_pat_0123456789abcdefghijklmn",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "AKIA0123456789ABCDEF",
    "xoxb-0123456789-abcdefgh",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----",
)
ORDINARY = (
    "Ask sk-ilfully about the task-list, risk-averse desk-bound people.",
    "Use Bearer authentication; the bearer of this letter is honest.",
    "sk-learn-classifier-pipeline and hf_transformers_pipeline_runner",
    "-----BEGIN CERTIFICATE----- is public",
    "hunter2",
)


@pytest.mark.parametrize("key", KEYS)
def test_what_has_the_form_of_a_key_is_masked(key: str) -> None:
    assert Redactor().text(f'the "{key}", you know') == 'the "***", you know'


def test_a_bearer_token_is_masked() -> None:
    assert Redactor().text("Authorization: Bearer abc.DEF-123_456") == "Authorization: Bearer ***"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_a_known_value_is_masked_the_longest_first() -> None:
    assert REDACTOR.text(f"x{PASSWORD}x, hunter2hunter2, hunter2h") == "x***x, ***, ***"


def test_a_body_is_masked_at_any_depth_and_stays_a_body() -> None:
    message = ChatMessage(content=[{"type": "text", "text": f"it is {KEYS[0]}"}], metadata={"a": [1, {"b": PASSWORD}]})
    masked = msgspec.msgpack.decode(REDACTOR.body(encode_body(message)), type=ChatMessage)
    assert masked.content == [{"type": "text", "text": "it is ***"}]
    assert masked.metadata == {"a": [1, {"b": "***"}]}
    assert REDACTOR.struct(message) == masked


def test_a_body_that_is_nested_beyond_every_limit_is_left_to_those_who_refuse_it() -> None:
    for depth in (500, 700, 1500):
        body = b"\x91" * depth + encode_body("Bearer abcdefghijklmnopqrstuvwxyz012345")
        masked = Redactor().body(body)  # how deep it can look depends on the interpreter
        assert masked == body or b"Bearer ***" in masked
        with pytest.raises(BadMessage):
            decode_body(body)


def test_a_body_without_secrets_is_the_very_same() -> None:
    for body in (encode_body(ChatMessage(content="a task-list", metadata={"sk-": 1})), b"\xff sk- hunter2hunter2"):
        assert REDACTOR.body(body) is body


@given(st.lists(st.sampled_from([*KEYS, *ORDINARY, "Bearer abc.def-012345", PASSWORD, " ", "-", "_", "A-_" * 9]), max_size=8))
def test_a_body_is_masked_as_its_text_would_be(parts: list[str]) -> None:
    text = "".join(parts)
    assert msgspec.msgpack.decode(REDACTOR.body(msgspec.msgpack.encode(text))) == REDACTOR.text(text)


def test_secrets_of_an_environment_are_known_by_their_names() -> None:
    environment = {
        "OPENAI_API_KEY": "one",
        "DB_PASSWORD": "two",
        "GITHUB_TOKEN": "three",
        "AWS_SECRET_ACCESS_KEY": "four",
        "TOKEN_LIMIT": "no",
        "MONKEY": "no",
        "SESSION_TOKEN": "/run/a/path",
    }
    assert secrets_of(environment) == ["one", "two", "three", "four"]


def test_secrets_of_a_url_are_itself_and_its_password_in_both_spellings() -> None:
    assert secrets_of_url("postgresql://ann@db/x?host=/run") == []
    assert secrets_of_url("postgresql://ann:p%40ss@[/x") == []
    url = "postgresql://ann:p%40ss@db,other:1/x?password=second"
    assert set(secrets_of_url(url)) == {url, "p%40ss", "p@ss", "second"}


def streamed(text: str, cuts: list[int]) -> tuple[str, list[str]]:
    """What comes out of `Pieces` when `text` goes in, cut into pieces of these lengths."""
    out: list[str] = []
    pieces, place = Pieces(REDACTOR, out.append), 0
    for cut in cuts:
        pieces(text[place : place + cut])
        place += cut
    pieces(text[place:])
    pieces.flush()
    return "".join(out), out


@given(
    st.lists(
        st.sampled_from([*KEYS, *ORDINARY, "hunter2hunter2", PASSWORD, "Bearer abc.def-012345", " ", "\n", "x", "="]), max_size=6
    ),
    st.lists(st.integers(1, 12), max_size=60),
)
def test_a_stream_is_masked_as_the_whole_would_be(parts: list[str], cuts: list[int]) -> None:
    text = " ".join(parts)
    assert streamed(text, cuts)[0] == REDACTOR.text(text)


def test_a_known_value_is_masked_within_a_word_too() -> None:
    assert streamed("xhunter2hunter2x", [7, 3, 2, 3])[0] == "x***x"


def test_ordinary_words_travel_at_once() -> None:
    assert streamed("It is a fine day", [3, 3, 2, 5])[1] == ["It ", "is ", "a ", "fine ", "day"]


def test_what_never_ends_is_not_held_back_for_ever() -> None:
    text = "=" * (HELD + 1)
    out: list[str] = []
    Pieces(REDACTOR, out.append)(text)
    assert out == [text]
