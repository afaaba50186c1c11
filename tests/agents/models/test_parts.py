"""The small parts: configuration, pace, pieces, schemas, waits, digests, prices, and what is imported."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rostra.agents.models
from rostra.agents.models.backoff import backoff, retry_after
from rostra.agents.models.cache import Cache
from rostra.agents.models.config import ModelConfig, Price
from rostra.agents.models.digest import canonical, digest
from rostra.agents.models.keys import BadKey, find_key
from rostra.agents.models.pieces import Shown, split
from rostra.agents.models.prices import cost_of
from rostra.agents.models.profiles import guess
from rostra.agents.models.recorded import BadRecording, RecordedModel
from rostra.agents.models.schema import problem, without_fence
from rostra.protocol import ChatMessage, ToolCall, ToolResponse, Usage, redaction
from rostra.protocol.bucket import Bucket
from rostra.protocol.completion import Completion, CompletionRequest

# ---- configuration


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"api": "openai"}, "needs `model`"),
        ({"api": "scripted"}, "needs `script`"),
        ({"api": "recorded"}, "needs `recording`"),
        ({"model": "x", "api_key": "sk-1"}, "unknown field `api_key`"),
        ({"model": "x", "options": {"api_key": "sk-1"}}, "never part of the team file"),
        ({"model": "x", "api_key_env": "A", "api_key_file": "b"}, "exclude each other"),
        ({"model": "x", "profile": "gpt"}, "`profile` is one of"),
        ({"model": "x", "base_url": "localhost:1"}, "http or https"),
        ({"model": "x", "base_url": "http://me:secret@host/v1"}, "no credentials"),
        ({"model": "x", "retries": -1}, "`retries` is not negative"),
        ({"model": "x", "stall": 0}, "`stall` is more than 0"),
    ],
)
def test_a_table_that_makes_no_sense_says_why(table: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said) as caught:
        msgspec.convert(table, ModelConfig)
    assert "sk-1" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("", "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("https://x.openai.azure.com/", "openai"),
        ("http://127.0.0.1:11434/v1", "ollama"),
        ("http://vllm.internal:8000/v1", "vllm"),
        ("https://openai.com.example.org/v1", "generic"),
    ],
)
def test_the_profile_is_guessed_from_the_address(url: str, name: str) -> None:
    assert guess(url) == name


def test_a_key_is_found_where_the_table_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(" from-file \n")
    monkeypatch.setenv("A_KEY", "from-environment")
    monkeypatch.delenv("NO_KEY", raising=False)

    assert find_key(ModelConfig(model="x", api_key_file="key"), tmp_path) == "from-file"
    assert find_key(ModelConfig(model="x", api_key_env="A_KEY"), tmp_path) == "from-environment"
    assert find_key(ModelConfig(model="x"), tmp_path) is None
    for missing in (ModelConfig(model="x", api_key_env="NO_KEY"), ModelConfig(model="x", api_key_file="none")):
        with pytest.raises(BadKey):
            find_key(missing, tmp_path)


def test_a_key_that_was_found_is_masked_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "own", redaction.Redactor())
    (tmp_path / "key").write_text("plain-secret\n")
    assert find_key(ModelConfig(model="m", api_key_file="key"), tmp_path) == "plain-secret"
    assert redaction.own.text("the key is plain-secret") == "the key is ***"


# ---- pace and waits


def test_a_bucket_lets_a_burst_through_and_then_keeps_the_rate() -> None:
    bucket = Bucket(1.0, 10.0, now=0.0)

    assert [bucket.take(0.0) for _ in range(10)] == [0.0] * 10
    assert [bucket.take(0.0) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert bucket.take(3.0) == 1.0
    bucket.give_back()
    assert bucket.take(3.0) == 1.0


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(0.5, 600))
def test_never_more_than_the_rate_and_one_burst(gaps: list[float], rate: float) -> None:
    bucket, now, starts = Bucket(rate / 60, max(1.0, rate / 6), now=0.0), 0.0, list[float]()
    for gap in gaps:
        now += gap
        starts.append(now + bucket.take(now))
    burst = max(1.0, rate / 6)

    assert starts == sorted(starts)
    for start in starts:
        assert sum(start <= other < start + 60 for other in starts) <= rate + burst + 1


def test_each_wait_is_longer_than_the_one_before() -> None:
    for _ in range(50):
        waits = [backoff(attempt) for attempt in range(5)]
        assert all(later > earlier * 1.1 for earlier, later in pairwise(waits))
    assert backoff(10_000) <= 36


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=10.0) == seconds


# ---- pieces


@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=4), max_size=4))
def test_what_was_shown_is_never_taken_back(attempts: list[list[str]]) -> None:
    out: list[str] = []
    shown = Shown(out.append)
    for attempt in attempts:
        shown.begin()
        for piece in attempt:
            shown(piece)
            assert any("".join(one).startswith("".join(out)) for one in attempts)
    assert shown.text == "".join(out)


# ---- equal requests


def test_ids_and_places_make_no_difference_to_what_is_asked() -> None:
    def request(id_: str, **fields: Any) -> CompletionRequest:
        call = ChatMessage(role="assistant", tool_calls=(ToolCall(id=id_, name="f"),), sequence=len(id_))
        answer = ChatMessage(role="tool", tool_responses=(ToolResponse(id=id_, content="1"),))
        return CompletionRequest(messages=(call, answer), **fields)

    same = [request("a", chat="c1"), request("bcd", chat="c2", ordinal=7)]
    other = [request("a", model="cheap"), request("a", agent="x"), request("a", options={"seed": 1})]

    assert len({digest(canonical(one)) for one in same}) == 1
    assert len({digest(canonical(one)) for one in [*same, *other]}) == 4


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    cache = Cache(2)
    cache.put("a", Completion(content="a"))
    cache.put("b", Completion(content="b"))
    cache.get("a")
    cache.put("c", Completion(content="c"))

    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


def test_a_broken_recording_says_where_but_a_torn_last_line_is_forgiven(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"digest": "x", "request": {}, "completion": {}}\n{"dig')
    RecordedModel(path)
    path.write_bytes(b'{"dig\n{"digest": "x", "request": {}, "completion": {}}\n')

    with pytest.raises(BadRecording, match=r"r\.jsonl:1: "):
        RecordedModel(path)
    with pytest.raises(BadRecording, match="No such file"):
        RecordedModel(tmp_path / "none")


# ---- money


def test_a_completion_costs_what_the_table_says_else_what_is_published() -> None:
    usage = Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000)

    assert cost_of(usage, ModelConfig(model="x", price=Price(prompt=1.5, completion=2.5))) == 4.0
    assert cost_of(usage, ModelConfig(model="no-such-model")) == 0.0
    assert cost_of(usage, ModelConfig(model="gpt-4o-mini", base_url="http://127.0.0.1:1/v1")) == 0.0
    assert cost_of(usage, ModelConfig(api="scripted", script="x", model="gpt-4o-mini")) == 0.0


def test_published_prices_are_used_where_the_package_is_there() -> None:
    pytest.importorskip("genai_prices")

    assert 0.1 < cost_of(Usage(prompt_tokens=1_000_000, completion_tokens=1_000_000), ModelConfig(model="gpt-4o-mini")) < 10


# ---- schemas

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": ["integer", "null"], "minimum": 0},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "boss": {"$ref": "#"},
        "id": {"anyOf": [{"type": "integer"}, {"const": "none"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "x", "age": 3, "tags": ["a"], "boss": {"name": "y"}, "id": "none"}', ""),
        ('{"name": "x", "age": null, "id": 3.0}', ""),
        ("hello", "it is no JSON"),
        ("[]", "the answer is not of type object"),
        ("{}", "the answer has no 'name'"),
        ('{"name": ""}', "the length of the answer.name is less than 1"),
        ('{"name": "x", "age": true}', "the answer.age is not of type integer or null"),
        ('{"name": "x", "age": -1}', "the answer.age is less than 0"),
        ('{"name": "x", "tags": ["a", "c"]}', "the answer.tags[1] is none of"),
        ('{"name": "x", "tags": ["a", "a", "a"]}', "the length of the answer.tags is more than 2"),
        ('{"name": "x", "boss": {}}', "the answer.boss has no 'name'"),
        ('{"name": "x", "id": "some"}', "the answer.id is none of the 2 forms"),
        ('{"name": "x", "more": 1}', "the answer.more is not allowed here"),
    ],
)
def test_an_answer_is_checked_against_its_schema(text: str, said: str) -> None:
    found = problem(text, PERSON)

    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_schema_that_refers_to_itself_for_ever_ends() -> None:
    assert problem("1", {"$ref": "#"}) != ""


def test_a_fence_around_the_json_is_taken_off() -> None:
    assert without_fence('```json\n{"a": 1}\n```\n') == '{"a": 1}'
    assert without_fence("plain") == "plain"


# ---- imports


def test_everything_public_is_there() -> None:
    assert rostra.agents.models.__all__ == sorted(rostra.agents.models.__all__)
    for name in rostra.agents.models.__all__:
        assert getattr(rostra.agents.models, name).__name__ == name


def test_what_an_agent_imports_of_models_is_light() -> None:
    heavy = (
        "openai",
        "pydantic",
        "httpx",
        "httpx2",
        "genai_prices",
        "rich",
        "typer",
        "difflib",
        "rostra.agents.models.openai_model",
    )
    code = f"import sys, rostra.agents.models.gateway_model; print([name for name in {heavy!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_gateway_without_an_openai_model_does_not_load_it() -> None:
    code = "import sys, rostra.agents.gateway; print([name for name in ('openai', 'genai_prices') if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
