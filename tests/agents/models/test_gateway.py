"""The gateway and the model that asks it, over both transports."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rostra.agents.gateway import Gateway, serve
from rostra.agents.models import GatewayModel, ModelConfig, ModelError, Price, ScriptedModel
from rostra.protocol import BrokerLost, ChatMessage, Client, Refused, Superseded, Usage
from rostra.protocol.chat import Delta
from rostra.protocol.completion import Completion, CompletionRequest, StreamTo

Join = Callable[..., Awaitable[Client]]


def asked(*contents: str, **fields: Any) -> CompletionRequest:
    return CompletionRequest(messages=tuple(ChatMessage(content=content) for content in contents), **fields)


def scripted(path: Path, replies: list[Any], name: str = "script.toml", **fields: Any) -> ModelConfig:
    spelled = json.dumps(replies).replace('": ', '" = ')  # inline tables of TOML are JSON's but for the colon
    (path / name).write_text(f'"*" = {spelled}\n')
    return ModelConfig(api="scripted", script=name, **fields)


class Sink:
    """A sink that names its topic, as an agent in a chat has one."""

    topic, chat, sequence, speaker = "delta.c1", "c1", 4, "somebody-else"

    def __call__(self, text: str) -> None:
        raise AssertionError("the gateway publishes the pieces itself")


class Hanging:
    """A model that never answers, and says when it was cancelled."""

    def __init__(self) -> None:
        self.asked, self.cancelled = asyncio.Event(), asyncio.Event()

    async def complete(self, request: CompletionRequest, on_delta: Callable[[str], None] | None = None) -> Completion:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError


async def test_an_agent_gets_its_completion_and_the_pieces_of_it(join: Join) -> None:
    Gateway(await join("models"), {"default": ScriptedModel({"planner": ["First this, then that."]})})
    pieces: list[str] = []

    completion = await GatewayModel(await join("planner")).complete(asked("Plan.", agent="planner"), pieces.append)

    assert completion.content == "First this, then that." == "".join(pieces)
    assert completion.usage.estimated


async def test_pieces_are_published_where_the_sink_says_in_the_name_of_who_asks(join: Join) -> None:
    Gateway(await join("models"), {"default": ScriptedModel(["One two."])})
    watcher, planner = await join("console-abcdef"), await join("planner")

    async with watcher.subscribe("delta.*") as events:
        await GatewayModel(planner).complete(asked("?"), Sink())
        text = ""
        async with asyncio.timeout(20):
            while text != "One two.":
                delta = (await anext(events)).decode(Delta)
                text += delta.text
                assert (delta.chat, delta.sequence, delta.speaker) == ("c1", 4, "planner")


async def test_pieces_that_come_together_travel_as_one_event(join: Join) -> None:
    Gateway(await join("models"), {"default": ScriptedModel(["word " * 200])})
    watcher, planner = await join("console-abcdef"), await join("planner")

    async with watcher.subscribe("delta.*") as events:
        await GatewayModel(planner).complete(asked("?"), Sink())
        count, text = 0, ""
        async with asyncio.timeout(20):
            while text != "word " * 200:
                text += (await anext(events)).decode(Delta).text
                count += 1

    assert count < 100


async def test_pieces_are_published_nowhere_but_under_delta(join: Join) -> None:
    Gateway(await join("models"), {"default": ScriptedModel(["x"])})
    planner = await join("planner")

    for topic in ("chat.c1", "delta", "delta.a b"):
        with pytest.raises(Refused):
            await planner.request("models", "complete", asked("?", stream=StreamTo(topic=topic)), reply=Completion)


async def test_a_model_that_fails_is_followed_by_its_fallbacks_in_order(join: Join, tmp_path: Path) -> None:
    failing = [{"error": "down", "times": 0}]
    models = {
        "default": scripted(tmp_path, failing, "a.toml", fallback=("cheap",)),
        "cheap": scripted(tmp_path, failing, "b.toml", fallback=("local",)),
        "local": scripted(tmp_path, ["At last."], "c.toml"),
    }
    gateway = Gateway(await join("models"), models, tmp_path)

    completion = await GatewayModel(await join("planner")).complete(asked("?"))

    assert (completion.content, completion.model) == ("At last.", "local")
    assert {name: (one.calls, one.errors) for name, one in gateway.stats.items()} == {
        "default": (0, 1),
        "cheap": (0, 1),
        "local": (1, 0),
    }


async def test_when_all_fail_the_error_tells_of_each_and_whether_to_try_again(join: Join, tmp_path: Path) -> None:
    models = {
        "default": scripted(tmp_path, [{"error": "no key"}], "a.toml", fallback=("cheap",)),
        "cheap": scripted(tmp_path, [{"error": "overloaded", "retryable": True}], "b.toml"),
    }
    Gateway(await join("models"), models, tmp_path)

    with pytest.raises(ModelError, match="default: no key; cheap: overloaded") as caught:
        await GatewayModel(await join("planner")).complete(asked("?"))

    assert str(caught.value) == "default: no key; cheap: overloaded"
    assert caught.value.retryable


async def test_circles_of_fallbacks_end(join: Join, tmp_path: Path) -> None:
    failing = [{"error": "down", "times": 0}]
    models = {
        "a": scripted(tmp_path, failing, "a.toml", fallback=("b",)),
        "b": scripted(tmp_path, failing, "b.toml", fallback=("a",)),
    }
    Gateway(await join("models"), models, tmp_path)

    with pytest.raises(ModelError, match="a: down; b: down"):
        await GatewayModel(await join("planner"), "a").complete(asked("?"))


async def test_an_unknown_model_is_an_error_that_names_the_known_ones(join: Join) -> None:
    Gateway(await join("models"), {"default": ScriptedModel(["x"]), "cheap": ScriptedModel(["x"])})

    with pytest.raises(ModelError, match="no model 'dear'; there are: cheap, default") as caught:
        await GatewayModel(await join("planner"), "dear").complete(asked("?"))

    assert not caught.value.retryable


async def test_an_unknown_fallback_is_refused_at_start(join: Join, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"models\.default: fallback 'dear' is no model"):
        Gateway(await join("models"), {"default": scripted(tmp_path, ["x"], fallback=("dear",))}, tmp_path)


async def test_an_equal_request_is_answered_from_the_cache_and_costs_nothing(join: Join, tmp_path: Path) -> None:
    price = Price(prompt=1.0, completion=2.0)
    usage = {"prompt_tokens": 500_000, "completion_tokens": 250_000}
    config = scripted(tmp_path, [{"text": "Once.", "usage": usage}], cache=True, price=price)
    gateway = Gateway(await join("models"), {"default": config}, tmp_path)
    model, pieces = GatewayModel(await join("planner")), list[str]()

    first = await model.complete(asked("?", chat="c1"))
    second = await model.complete(asked("?", chat="c2"), pieces.append)
    with pytest.raises(ModelError, match="ran out"):
        await model.complete(CompletionRequest(messages=(ChatMessage(content="x", role="assistant"),)))

    assert first.usage == Usage(model="default", prompt_tokens=500_000, completion_tokens=250_000, cost=1.0)
    assert second.usage == msgspec.structs.replace(first.usage, cost=0.0, cached=True)
    assert second.content == "Once." == "".join(pieces)
    stats = await model._client.request("models", "stats")
    counted = {"prompt_tokens": 500_000, "completion_tokens": 250_000, "cost": 1.0, "estimated": False}
    assert stats == {"default": {"calls": 1, "errors": 1, "cached": 1, **counted}}
    assert gateway.stats["default"].cached == 1


async def test_requests_beyond_the_rate_wait_their_turn(join: Join, tmp_path: Path) -> None:
    config = scripted(tmp_path, ["x"], requests_per_minute=240)  # 40 at once, then 4 a second
    Gateway(await join("models"), {"default": config}, tmp_path)
    model, loop = GatewayModel(await join("planner")), asyncio.get_running_loop()
    start = loop.time()

    await asyncio.gather(*(model.complete(asked("?")) for _ in range(42)))

    assert loop.time() - start >= 0.4


async def test_a_cancelled_request_cancels_the_models_work(join: Join) -> None:
    hanging = Hanging()
    Gateway(await join("models"), {"default": hanging})
    task = asyncio.ensure_future(GatewayModel(await join("planner")).complete(asked("?")))

    async with asyncio.timeout(20):
        await hanging.asked.wait()
        task.cancel()
        await hanging.cancelled.wait()


async def test_a_gateway_that_is_started_again_gives_the_same_answers(join: Join, tmp_path: Path) -> None:
    config = scripted(tmp_path, ["one", "two", "three"])
    said = [ChatMessage(content="?"), ChatMessage(content="one", role="assistant"), ChatMessage(content="!")]
    answers: list[list[str]] = []
    for _ in range(2):
        client = await join("models")
        Gateway(client, {"default": config}, tmp_path)
        model = GatewayModel(await join(f"planner{len(answers)}"))
        answers.append(
            [
                (await model.complete(CompletionRequest(messages=tuple(said), agent="planner"))).content,
                (await model.complete(CompletionRequest(messages=tuple(said), agent="planner", ordinal=2))).content,
            ]
        )
        await client.aclose()

    assert answers == [["two", "three"], ["two", "three"]]


async def test_a_gateway_that_goes_while_it_works_is_survived(join: Join) -> None:
    first, hanging = await join("models"), Hanging()
    gateway = Gateway(first, {"default": hanging})
    task = asyncio.ensure_future(GatewayModel(await join("planner")).complete(asked("?")))
    async with asyncio.timeout(20):
        await hanging.asked.wait()
        await gateway.service.drain(0)  # as after SIGTERM: what runs is cut off, and its callers are told
        await first.aclose()
        Gateway(await join("models"), {"default": ScriptedModel(["After all."])})

        assert (await task).content == "After all."


async def test_a_gateway_that_never_comes_is_an_error_that_may_be_retried(join: Join) -> None:
    with pytest.raises(ModelError, match="gateway") as caught:
        await GatewayModel(await join("planner"), absent=0.3).complete(asked("?"))

    assert caught.value.retryable


async def test_a_conversation_that_is_too_long_for_a_message_is_an_error(join: Join) -> None:
    with pytest.raises(ModelError, match="too long") as caught:
        await GatewayModel(await join("planner")).complete(asked("x" * 1_100_000))

    assert not caught.value.retryable


async def test_what_is_recorded_is_played_again_and_nothing_is_invented(join: Join, tmp_path: Path) -> None:
    client, record = await join("models"), tmp_path / "made" / "run.jsonl"
    gateway = Gateway(client, {"default": ScriptedModel(["One two.", {"tool_calls": [{"name": "f"}]}])}, record=record)
    model = GatewayModel(await join("planner"))
    second = CompletionRequest(messages=(ChatMessage(content="?"), ChatMessage(content="One two.", role="assistant")))
    recorded = [await model.complete(asked("?", chat="c1")), await model.complete(second)]
    await gateway.aclose()
    await client.aclose()
    Gateway(await join("models"), {"default": ModelConfig(api="recorded", recording="made/run.jsonl", speed=0)}, tmp_path)
    pieces: list[str] = []
    model = GatewayModel(await join("planner2"))

    assert [await model.complete(asked("?", chat="c2"), pieces.append), await model.complete(second)] == recorded
    assert "".join(pieces) == "One two."
    with pytest.raises(ModelError, match=r"nothing like this was recorded in run.jsonl: .*asked '.*\?\?"):
        await model.complete(asked("???"))


async def test_an_openai_compatible_server_answers_through_the_gateway(join: Join, faulty: Any, tmp_path: Path) -> None:
    faulty.will({"type": "fail", "status": 503, "retry_after": 0}, {"type": "reply", "text": "From afar."})
    config = ModelConfig(model="gpt-5-mini", base_url=faulty.base_url, price=Price(prompt=1e6, completion=0))
    gateway, pieces = Gateway(await join("models"), {"default": config}, tmp_path), list[str]()

    completion = await GatewayModel(await join("planner")).complete(asked("Hello there."), pieces.append)
    await gateway.aclose()

    assert completion.content == "From afar." == "".join(pieces)
    assert completion.usage.cost == completion.usage.prompt_tokens > 0
    assert faulty.findings() == []


async def test_the_gateway_is_served_until_it_is_told_to_stop(broker_address: str, tmp_path: Path) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    models = {"default": scripted(tmp_path, ["Here."])}
    serving = asyncio.ensure_future(serve(broker_address, models, tmp_path, stop=stop, ready=ready.set))
    async with asyncio.timeout(20), Client.connect(broker_address, name="planner") as client:
        await ready.wait()
        assert (await GatewayModel(client).complete(asked("?"))).content == "Here."
        assert {peer.name: peer.info["kind"] for peer in await client.peers() if peer.name == "models"} == {"models": "gateway"}
        stop.set()
        await serving


async def test_a_gateway_without_a_broker_says_so_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, record = {"default": scripted(tmp_path, ["Here."])}, tmp_path / "record.jsonl"

    async def lost(self: Client, timeout: float) -> None:
        raise BrokerLost("the broker cannot be reached")

    monkeypatch.setattr(Client, "bound", lost)  # without the ten seconds that it takes

    with pytest.raises(BrokerLost):
        await serve(f"ipc://{tmp_path}/none", models, tmp_path, record, stop=asyncio.Event())


async def test_a_gateway_whose_name_another_process_takes_ends_with_the_reason(broker_address: str, tmp_path: Path) -> None:
    ready = asyncio.Event()
    models = {"default": scripted(tmp_path, ["Here."])}
    serving = asyncio.ensure_future(serve(broker_address, models, tmp_path, stop=asyncio.Event(), ready=ready.set))
    async with asyncio.timeout(20), contextlib.AsyncExitStack() as stack:
        await ready.wait()
        await stack.enter_async_context(Client.connect(broker_address, name="models"))
        with pytest.raises(Superseded):
            await serving
