"""Deltas of a model's answer on their way: the openai SDK alone, and through gateway and broker (row 20)."""

import asyncio
import json
import time
from pathlib import Path

from benchmarks.measure import Case, Effort, Sample
from benchmarks.presence import present
from benchmarks.processes import Cast, Pipe
from benchmarks.summary import percentile
from benchmarks.wire import broker
from rostra.agents import gateway
from rostra.agents.models.config import ModelConfig
from rostra.protocol import GATEWAY, ChatMessage, Client
from rostra.protocol.chat import Delta
from rostra.protocol.completion import Completion, CompletionRequest, StreamTo

DELTAS = 400
PAUSE = 0.005
"""Seconds between two deltas, about what a fast model takes."""


def model_server(pipe: Pipe, deltas: int) -> None:
    """An HTTP server that streams completions; each delta is the time at which it was written, in nanoseconds, and a space."""

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "bench", "choices": [choice]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for _ in range(deltas):
            await asyncio.sleep(PAUSE)
            writer.write(chunk({"content": f"{time.monotonic_ns()} "}))
            await writer.drain()
        writer.write(chunk({}, "stop") + b"data: [DONE]\n\n")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def alone(pipe: Pipe, port: int) -> None:
    """A reader with the SDK; says how long each delta was under way, in nanoseconds."""

    async def main() -> None:
        import openai

        client = openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1")
        delays = []
        stream = await client.chat.completions.create(model="bench", messages=[{"role": "user", "content": "Go."}], stream=True)
        async for one in stream:
            if one.choices and one.choices[0].delta.content:
                delays.append(time.monotonic_ns() - int(one.choices[0].delta.content))
        pipe.send(delays)

    asyncio.run(main())
    pipe.recv()


def gateway_process(pipe: Pipe, address: str, port: int, base: Path) -> None:
    """The process of the model gateway."""

    async def main() -> None:
        config = ModelConfig(api="openai", model="bench", base_url=f"http://127.0.0.1:{port}/v1")
        pipe.send("starting")
        await gateway.serve(address, {"default": config}, base, None, stop=asyncio.Event())

    asyncio.run(main())


def through_gateway(pipe: Pipe, address: str) -> None:
    """A reader on the bus; says the same."""

    async def main() -> None:
        async with Client.connect(address, name="console-bec400") as client, client.subscribe("delta.bench") as events:
            await present(client, {GATEWAY})
            request = CompletionRequest(
                messages=(ChatMessage(content="Go."),),
                stream=StreamTo(topic="delta.bench", chat="bench", sequence=1, speaker="writer"),
            )
            asking = asyncio.create_task(client.request(GATEWAY, "complete", request, reply=Completion))
            delays: list[int] = []

            async def read() -> None:
                async for event in events:
                    now = time.monotonic_ns()
                    delays.extend(now - int(stamp) for stamp in event.decode(Delta).text.split())

            reading = asyncio.create_task(read())
            await asking
            await client.request("", "ping")
            reading.cancel()
            pipe.send(delays)

    asyncio.run(main())
    pipe.recv()


def _sample(delays: list[int]) -> Sample:
    late = delays[len(delays) // 10 :]
    return {"p50_ms": percentile(late, 0.5) / 1e6, "p99_ms": percentile(late, 0.99) / 1e6, "deltas": len(delays)}


def _alone(deltas: int) -> Sample:
    with Cast() as cast:
        return _sample(cast.start(alone, cast.start(model_server, deltas).hear()).hear())


def _through_gateway(deltas: int) -> Sample:
    with Cast() as cast:
        port = cast.start(model_server, deltas).hear()
        _, address = broker(cast)
        cast.ready(gateway_process, address, port, cast.directory)
        return _sample(cast.start(through_gateway, address).hear())


def measurement(effort: Effort) -> dict[str, Case]:
    """The cases of `streaming`."""
    deltas = effort.count(DELTAS)
    return {"openai SDK alone": lambda: _alone(deltas), "through the gateway": lambda: _through_gateway(deltas)}
