"""What is no matter of time: messages and bytes a turn, histories that are not sent again, and what an agent's process loads."""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
from benchmarks.machine import memory
from benchmarks.presence import present
from benchmarks.team import AGENTS, REPLY

from rostra.agents import Actor, as_responder
from rostra.agents.responder import Context
from rostra.broker.memory import MemoryBroker, MemoryTransport
from rostra.groupchat import ChatOptions, Coordinator
from rostra.protocol import COORDINATOR, ChatMessage, Client, Member, Turn
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatStart
from rostra.protocol.frames import decode_body, decode_head
from rostra.protocol.messages import Request
from rostra.team.file import TeamFile
from rostra.team.process import Job

TURNS = 200
HEAVY = {
    *("openai", "pydantic", "rich", "typer", "msgpack", "rostra.agents.gateway", "rostra.broker", "rostra.console"),
    *("rostra.groupchat.options", "rostra.groupchat.conditions", "rostra.groupchat.flow", "rostra.agents.code.runner"),
}


class Meter:
    """Counts what passes a transport: messages, bytes, and the bodies of turns."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.turns: list[bytes] = []

    def send(self, transport: MemoryTransport, peer: bytes, head: bytes, body: bytes) -> bool:
        """As `Transport.send`."""
        self.count["messages"] += 1
        self.count["bytes"] += len(peer) + len(head) + len(body)
        header = decode_head(head)
        if isinstance(header, Request) and header.method == "turn":
            self.turns.append(body)
        return MemoryTransport.send(transport, peer, head, body)


class Metered(MemoryTransport):
    """A transport to a memory broker, with a meter."""

    meter: Meter

    def send(self, peer: bytes, head: bytes, body: bytes) -> bool:
        """See `Transport.send`."""
        return self.meter.send(self, peer, head, body)


def _transport(bus: MemoryBroker, meter: Meter) -> Metered:
    plain = bus.transport()
    metered = Metered(bus, plain.route)
    metered.meter = meter
    return metered


async def reply(message: ChatMessage, context: Context) -> str:
    """Says five hundred characters."""
    return REPLY


async def test_the_hundredth_turn_and_the_two_hundredth_take_as_many_messages_and_bytes_and_no_history_is_sent_again(
    tmp_path: Path,
) -> None:
    bus, meter = MemoryBroker(), Meter()
    options = ChatOptions(members=tuple(Member(name=name) for name in AGENTS), selection="round_robin", max_rounds=TURNS + 1)
    coordinating = Client(_transport(bus, meter), name=COORDINATOR)
    coordinator = Coordinator(coordinating, options, tmp_path / "transcript.sqlite")
    agents = [Client(_transport(bus, meter), name=name) for name in AGENTS]
    for agent in agents:
        Actor(agent, as_responder(reply), Member(name=agent.name))
        await agent.__aenter__()
    marks: dict[int, Counter[str]] = {}
    async with coordinating, Client(bus.transport(), name="watcher") as watcher, watcher.subscribe("chat.long") as events:
        await coordinator.start()
        await watcher.request(COORDINATOR, "chat.start", ChatStart(task="Go.", chat="long"), reply=ChatInfo)
        async with asyncio.timeout(100):
            async for event in events:
                told = event.decode(ChatEvent)
                if told.type == "message":
                    marks[told.sequence] = meter.count.copy()
                elif told.type == "result":
                    break
        await coordinator.aclose()
    for agent in agents:
        await agent.aclose()

    assert len(meter.turns) == TURNS
    # A hundred turns: a request and its answer, and two events each. Signs of life come on top when a machine is slow, and
    # what is counted when a message is heard may be ahead of it or behind.
    early, late = marks[101] - marks[1], marks[201] - marks[101]
    assert 390 <= early["messages"] <= 420
    assert abs(late["messages"] - early["messages"]) <= 20
    assert abs(late["bytes"] - early["bytes"]) <= 0.05 * early["bytes"]

    turns = [decode_body(body, Turn) for body in meter.turns]
    assert {len(turn.messages) for turn in turns[len(AGENTS) :]} == {len(AGENTS) - 1}
    sizes = {len(body) for body in meter.turns[len(AGENTS) : 100]} | {len(body) for body in meter.turns[150:]}
    assert max(sizes) - min(sizes) < 40  # digits of sequence numbers, and lengths of names


def _job(tmp_path: Path, address: str) -> Job:
    (tmp_path / "loaded.py").write_text("import sys\n\ndef reply(message, context):\n    return ' '.join(sorted(sys.modules))\n")
    agent = 'kind = "handler"\nhandler = "loaded:reply"\n'
    text = f'[team]\nname = "loaded"\n[chat]\nselection = "round_robin"\n[agents.one]\n{agent}[agents.two]\n{agent}'
    file = TeamFile.loads(text, tmp_path / "team.toml")
    return Job(kind="agent", name="one", address=address, team=file.name, path=str(file.path), tables=file.tables)


async def test_an_agents_process_loads_no_model_client_no_broker_and_no_console_and_stays_small(
    broker_address: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns as soon as the process is there
        [sys.executable, "-m", "rostra.team.process"], stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.msgpack.encode(_job(tmp_path, broker_address)))
    process.stdin.close()
    try:
        async with Client.connect(broker_address, name="watcher") as client:
            await present(client, {"one"})
            loaded = set((await client.ask("one", "What have you loaded?")).text.split())
            used = memory(process.pid)
    finally:
        process.terminate()
        process.wait(20)
    assert "rostra.agents.actor" in loaded
    assert loaded & HEAVY == set()
    assert used["rss_mb"] < 64  # about half of it is the interpreter with zmq, msgspec and asyncio
