"""Memos found by meaning: embeddings of a real HTTP server, through a gateway and a broker."""

import json
import threading
from array import array
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.conftest import Join

from rostra.agents import Context, Memos, TeachableAgent
from rostra.agents.gateway import Gateway
from rostra.agents.models.base import ModelError
from rostra.agents.models.config import ModelConfig
from rostra.agents.models.gateway_model import GatewayModel
from rostra.agents.recall import Recall, nearest
from rostra.protocol import ChatMessage, Usage

from .conftest import Keep
from .doubles import Watched

MEANINGS = ({"car", "automobile", "vehicle", "drives"}, {"cat", "kitten", "purrs"}, {"bread", "bakery", "loaf"})
"""What the server knows: a vector has a dimension for each, and one for all else."""


class Server(ThreadingHTTPServer):
    """Serves `/v1/embeddings`; the next `failures` requests are refused."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[list[str]] = []
        self.failures = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        failed = self.path != "/v1/embeddings" or self.server.failures > 0
        self.server.failures -= failed
        self.server.asked.append(body["input"])
        data = [{"object": "embedding", "index": place, "embedding": vector(text)} for place, text in enumerate(body["input"])]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        whole = {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}
        answer = json.dumps({"error": {"message": "overloaded"}} if failed else whole).encode()
        self.send_response(503 if failed else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def vector(text: str) -> list[float]:
    words = set(text.lower().replace("?", "").replace(".", "").split())
    known = [float(len(words & meaning)) for meaning in MEANINGS]
    return [*known, 0.0 if any(known) else 1.0]


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one
    one.shutdown()
    one.server_close()
    thread.join()


@pytest.fixture
async def embedder(server: Server, join: Join) -> AsyncIterator[GatewayModel]:
    config = ModelConfig(model="small", base_url=f"http://127.0.0.1:{server.server_port}/v1", retries=1)
    client = await join("models")
    gateway = Gateway(client, {"small": config})
    yield GatewayModel(await join("ann"), "small")
    await gateway.aclose()


async def test_a_memo_is_found_by_its_meaning_and_its_vector_is_made_once(
    embedder: GatewayModel, server: Server, tmp_path: Path, kept: Keep
) -> None:
    memos: Memos = kept(Memos(tmp_path / "ann.db"))
    memos.add("automobile repairs", "Pat does them.")
    memos.add("the kitten", "It purrs.")
    replica: Memos = kept(Memos(tmp_path / "ann.db"))
    usage: list[Usage] = []
    assert [memo.content for memo in await Recall(replica, embedder, "small").find("My car drives badly", usage)] == [
        "Pat does them."
    ]
    assert memos.find("My car drives badly") == []
    assert [used.prompt_tokens for used in usage] == [7, 7]
    assert [len(texts) for texts in server.asked] == [2, 1]
    await Recall(memos, embedder, "small").find("a cat", usage)
    assert server.asked[2:] == [["a cat"]]  # the other replica has made the vectors


async def test_a_teachable_agent_shows_its_model_what_is_near(embedder: GatewayModel, kept: Keep) -> None:
    memos: Memos = kept(Memos(":memory:"))
    memos.add("which bakery", "The one at the corner.")
    agent = TeachableAgent("ann", "sys", memory=memos, model=Watched("There."), embeddings=embedder, embeddings_name="small")
    message = ChatMessage(content="Where is a loaf?", name="user")
    context = Context(agent="ann", history=[message])
    await agent.respond(message, context)
    assert isinstance(agent.model, Watched)
    assert "which bakery: The one at the corner." in agent.model.requests[0].messages[-1].text
    assert sum(used.prompt_tokens for used in context.usage) >= 14


async def test_a_server_that_fails_is_asked_again_and_then_words_decide(
    embedder: GatewayModel, server: Server, kept: Keep
) -> None:
    memos: Memos = kept(Memos(":memory:"))
    memos.add("the car", "It is blue.")
    server.failures = 1
    assert len(await Recall(memos, embedder, "small").find("an automobile", [])) == 1
    server.failures = 100
    assert len(await Recall(memos, embedder, "small").find("the car", [])) == 1
    assert await Recall(memos, embedder, "small").find("an automobile", []) == []


async def test_a_model_that_makes_no_embeddings_says_so(join: Join) -> None:
    gateway = Gateway(await join("models"), {"words": Watched("hi")})
    with pytest.raises(ModelError, match="makes no embeddings"):
        await GatewayModel(await join("ann"), "words").embed(["x"])
    with pytest.raises(ModelError, match="there is no model 'none'"):
        await GatewayModel(await join("bob"), "none").embed(["x"])
    await gateway.aclose()


def test_the_nearest_come_first_and_vectors_of_another_length_are_left_out() -> None:
    def packed(*numbers: float) -> bytes:
        return array("f", numbers).tobytes()

    known = [
        (1, packed(0, 1)),
        (2, packed(1, 0.1)),
        (3, packed(1, 0)),
        (4, packed(1, 0, 0)),
        (5, packed(0, 0)),
        (6, packed(-1, 0)),
    ]
    assert nearest(packed(2, 0), known, 10) == [3, 2]
    assert nearest(packed(2, 0), known, 1) == [3]
    assert nearest(packed(0, 0), known, 3) == []
