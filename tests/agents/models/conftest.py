"""Servers that models are asked on: one written by others that fails on demand, and one that says exactly what it is told."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import free_port

from rostra.agents.models import OpenAIModel

from .chunks import Make

LLMOCK = Path(sys.executable).with_name("llmock")


class FaultyServer:
    """`llmock serve` in a process of its own."""

    def __init__(self, *flags: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/v1"
        command = [str(LLMOCK), "serve", "--port", str(port), "--log-level", "error", *flags]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + 60
        while True:
            try:
                self._ask("/health")
                return
            except OSError:
                if time.monotonic() > give_up or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def will(self, *behaviours: dict[str, Any]) -> None:
        """Forget what was, and behave so with the next requests."""
        self._ask("/_llmock/reset", {})
        if behaviours:
            self._ask("/_llmock/scenario", {"behaviors": list(behaviours)})

    def requests(self) -> list[dict[str, Any]]:
        """What was asked since."""
        found: list[dict[str, Any]] = self._ask("/_llmock/requests")["requests"]
        return found

    def findings(self) -> list[dict[str, Any]]:
        """What it found wrong with the client, warnings too.

        But for how pauses grow: those of tests are so short that a busy machine adds more to each (`test_parts`).
        """
        found: list[dict[str, Any]] = self._ask("/_llmock/verdict")["findings"]
        return [one for one in found if one["code"] != "no_backoff"]

    def report(self) -> tuple[int, str]:
        """What `llmock report --strict` says of the client, and its exit code."""
        done = subprocess.run([str(LLMOCK), "report", "--strict", "--url", self.url], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")


@pytest.fixture(scope="session")
def _faulty() -> Iterator[FaultyServer]:
    # With a pause between chunks a client that hangs up at a broken one does so before the rest has been sent: otherwise the
    # server takes the answer as read to its end, and blames the client for having ignored the fault.
    server = FaultyServer("--stream-chunk-delay-ms", "20")
    yield server
    server.stop()


@pytest.fixture
def faulty(_faulty: FaultyServer) -> FaultyServer:
    """A server that fails as the test says; nothing is said yet."""
    _faulty.will()
    return _faulty


@pytest.fixture
def unsteady() -> Iterator[FaultyServer]:
    """A server that answers three requests of ten with 429 or 503."""
    server = FaultyServer("--error-rate", "429=0.15", "--error-rate", "503=0.15")
    yield server
    server.stop()


Answer = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Speaks HTTP/1.1 in so many bytes. Keeps the requests; each is answered by the next of `answers`, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.hung_up = asyncio.Event()
        """Somebody closed the connection while an answer was under way."""
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        """Stop listening, and drop whoever is still there."""
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def streams(self, *events: object, finished: bool = True) -> None:
        """The next answer: these events (text as it is, anything else as JSON), then [DONE]."""

        async def answer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            for event in [*events, *(["[DONE]"] if finished else [])]:
                writer.write(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode())
                await writer.drain()

        self.answers.append(answer)

    def refuses(self, status: int, message: str, **headers: str) -> None:
        """The next answer: an error."""

        async def answer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
            body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
            extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
            head = f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
            writer.write(head.encode() + body)

        self.answers.append(answer)

    def hangs(self, *events: object) -> None:
        """The next answer: these events, then nothing more, until the client hangs up."""

        async def answer(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            for event in events:
                writer.write(f"data: {json.dumps(event)}\n\n".encode())
            await writer.drain()
            await asyncio.Event().wait()

        self.answers.append(answer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
            body = json.loads(await reader.readexactly(length))
            self.bodies.append(body)
            self.headers.append(head)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            working = asyncio.ensure_future(answer(body, writer))
            gone = asyncio.ensure_future(reader.read())  # returns when the client closes
            await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                self.hung_up.set()
            working.cancel()
            gone.cancel()
            await asyncio.gather(working, gone, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._open.discard(task)


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    """A server that says exactly what it is told."""
    server = RawServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes models that are closed at the end, with short pauses."""
    made: list[OpenAIModel] = []

    def one(base_url: str, **options: Any) -> OpenAIModel:
        made.append(OpenAIModel("gpt-5-mini", base_url=base_url, **{"first": 0.1, **options}))
        return made[-1]

    yield one
    for model in made:
        await model.aclose()
