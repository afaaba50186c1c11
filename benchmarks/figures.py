"""The figures that are to be reached: the rows of the table in docs/performance.md, with gate and goal, as data."""

from typing import Literal

import msgspec


class Source(msgspec.Struct, frozen=True):
    """Where a number comes from: the `metric` of a `case` of a `measurement`."""

    measurement: str
    case: str
    metric: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a row, with what must hold (`gate`) and what is wanted (`goal`)."""

    name: str
    ours: Source | None = None
    """None: not built yet; `missing` says what."""
    beside: Source | None = None
    """None: `ours` is an absolute value."""
    better: Literal["lower", "higher"]
    gate: float
    goal: float
    kind: Literal["ratio", "difference", "value"] = "ratio"
    unit: str = ""
    missing: str = ""

    def holds(self, value: float, bound: float) -> bool:
        """Whether `value` is at least as good as `bound`."""
        return value <= bound if self.better == "lower" else value >= bound


class Row(msgspec.Struct, frozen=True):
    """A row of the table."""

    number: int
    title: str
    beside: str
    parts: tuple[Part, ...]
    note: str = ""
    """How it is taken, and what bounds it."""


def lower(name: str, gate: float, goal: float, ours: Source | None, beside: Source | None = None, **more: str) -> Part:
    """A part of which less is better."""
    return Part(name=name, ours=ours, beside=beside, better="lower", gate=gate, goal=goal, **more)  # type: ignore[arg-type]


def higher(name: str, gate: float, goal: float, ours: Source | None, beside: Source | None = None, **more: str) -> Part:
    """A part of which more is better."""
    return Part(name=name, ours=ours, beside=beside, better="higher", gate=gate, goal=goal, **more)  # type: ignore[arg-type]


_S = Source
_ROSTRA_TRIP = _S("latency", "rostra, blocking peers", "p50_us")
_ASKS = _S("asks", "rostra, ipc", "asks_s")
_ASKS_TCP = _S("asks", "rostra, tcp with CURVE", "asks_s")
_SDK_EVENTS = _S("events", "rostra SDK, 10 processes", "deliveries_s")
_CHAT = _S("chats", "rostra, FULL, 1000 turns", "turns_s")
_CHAT_NORMAL = _S("chats", "rostra, NORMAL, 1000 turns", "turns_s")

ROWS: tuple[Row, ...] = (
    Row(
        1,
        "routed round trip p50, blocking peers",
        "libzmq's C `zmq.proxy` ROUTER–DEALER",
        (lower("p50", 1.25, 1.0, _ROSTRA_TRIP, _S("latency", "zmq.proxy in C", "p50_us")),),
        "One client, one server, one message in flight, 256 bytes over ipc, every process on one CPU. What is left is libzmq's "
        "own work: each hop is a system call and a wake-up of its I/O thread, which the proxy pays as well.",
    ),
    Row(
        2,
        "broker CPU per routed message, every feature on",
        "a C loop that swaps two frames",
        (lower("CPU", 5.0, 3.0, _S("routing", "rostra, 4 pairs", "broker_us"), _S("routing", "C loop, 4 pairs", "broker_us")),),
        "CPU time of the broker process, I/O thread included, in the run of row 3. Four receives, four sends and two look-ups "
        "per message are bytecode and crossings into libzmq; the C loop pays three and three without an interpreter.",
    ),
    Row(
        3,
        "routed messages/s",
        "the same",
        (
            higher(
                "4 pairs",
                0.35,
                0.6,
                _S("routing", "rostra, 4 pairs", "messages_s"),
                _S("routing", "C loop, 4 pairs", "messages_s"),
            ),
            higher(
                "16 pairs",
                0.35,
                0.6,
                _S("routing", "rostra, 16 pairs", "messages_s"),
                _S("routing", "C loop, 16 pairs", "messages_s"),
            ),
            higher(
                "4 KiB", 0.8, 0.95, _S("routing", "rostra, 4 KiB", "messages_s"), _S("routing", "C loop, 4 KiB", "messages_s")
            ),
        ),
        "Senders that never wait, one receiver each, all processes on all CPUs.",
    ),
    Row(
        4,
        "the same with senders that coalesce what is queued into one ZeroMQ message",
        "the same",
        (
            higher(
                "4 pairs",
                1.0,
                1.5,
                _S("routing", "rostra in bundles, 4 pairs", "messages_s"),
                _S("routing", "C loop, 4 pairs", "messages_s"),
            ),
            higher(
                "16 pairs",
                1.0,
                1.5,
                _S("routing", "rostra in bundles, 16 pairs", "messages_s"),
                _S("routing", "C loop, 16 pairs", "messages_s"),
            ),
        ),
        "Sixteen messages to a bundle, made and taken apart by blocking peers in Python; the client bundles by itself whatever "
        "is sent in one turn of its event loop.",
    ),
    Row(
        5,
        "`ask` p50 between asyncio agents",
        "blocking peers on the same broker",
        (lower("p50", 2.0, 1.4, _S("latency", "rostra, Client.ask", "p50_us"), _ROSTRA_TRIP),),
        "`Client.ask` answered by a `Service`, every process on one CPU. What it adds are two turns of an event loop, a task, a "
        "future, and the typed encoding and checking of both bodies.",
    ),
    Row(
        6,
        "asks/s, 64 in flight",
        "autogen-ext gRPC",
        (higher("asks/s", 10.0, 18.0, _ASKS, _S("asks", "autogen-ext gRPC", "asks_s")),),
        "One asking and one answering process; 64 coroutines ask again as soon as they are answered.",
    ),
    Row(
        7,
        "asks/s; p50 (tcp, default loop on both sides)",
        "nats-py",
        (
            higher("asks/s", 1.0, 2.0, _ASKS_TCP, _S("asks", "nats-py", "asks_s")),
            lower(
                "p50",
                1.2,
                0.95,
                _S("tcp latency", "rostra, tcp with CURVE", "p50_us"),
                _S("tcp latency", "nats-py", "p50_us"),
            ),
        ),
        "nats-server and nats-py's `request`, a MessagePack map as the body, in the clear; ours is encrypted and authenticated, "
        "since a broker takes TCP in no other way. The p50 is taken on one CPU.",
    ),
    Row(
        8,
        "asks/s",
        "Ray actors; Redis pub/sub",
        (
            higher("Ray", 8.0, 15.0, _ASKS, _S("asks", "Ray actor", "asks_s")),
            higher("Redis", 5.0, 9.0, _ASKS, _S("asks", "Redis pub/sub", "asks_s")),
        ),
        "As row 6.",
    ),
    Row(
        9,
        "event deliveries/s to 10 and 50 processes, raw; in the SDK to 10",
        "C XSUB–XPUB; autogen-ext gRPC; NATS",
        (
            higher(
                "raw, 10",
                0.85,
                0.98,
                _S("events", "rostra raw, 10 processes", "deliveries_s"),
                _S("events", "XSUB–XPUB in C, 10 processes", "deliveries_s"),
            ),
            higher(
                "raw, 50",
                0.85,
                0.98,
                _S("events", "rostra raw, 50 processes", "deliveries_s"),
                _S("events", "XSUB–XPUB in C, 50 processes", "deliveries_s"),
            ),
            higher("SDK, gRPC", 50.0, 90.0, _SDK_EVENTS, _S("events", "autogen-ext gRPC, 10 processes", "deliveries_s")),
            higher("SDK, NATS", 1.4, 2.0, _SDK_EVENTS, _S("events", "nats-py, 10 processes", "deliveries_s")),
        ),
        "Raw: a blocking peer publishes, bare SUB sockets receive. In the SDK: `Client.publish`, and `Client.subscribe` with "
        "every event counted and decoded. The broker stamps, numbers and retains each event; the fan-out is the XPUB socket's.",
    ),
    Row(
        10,
        "CURVE on: p50; messages/s",
        "itself without",
        (
            lower(
                "p50",
                1.3,
                1.15,
                _S("curve", "tcp with CURVE, one in flight", "p50_us"),
                _S("curve", "ipc, one in flight", "p50_us"),
            ),
            higher(
                "messages/s",
                0.45,
                0.6,
                _S("curve", "tcp with CURVE, 4 pairs", "messages_s"),
                _S("curve", "ipc, 4 pairs", "messages_s"),
            ),
        ),
        "A broker takes TCP with CURVE only, so what stands beside it is ipc without: the ratio holds TCP's cost as well. The "
        "name of the key is read from the first frame of every message.",
    ),
    Row(
        11,
        "`tell`, FULL, pipelined, rows/s; 64 senders",
        "SQLite's group commit at the same batch; FULL single",
        (
            higher(
                "pipelined",
                0.4,
                0.7,
                _S("mail", "rostra tell, pipelined", "rows_s"),
                _S("mail", "SQLite FULL, 64 to a commit", "rows_s"),
            ),
            higher(
                "64 senders",
                4.0,
                8.0,
                _S("mail", "rostra tell, 64 senders", "rows_s"),
                _S("mail", "SQLite FULL, single", "rows_s"),
            ),
        ),
        "Letters of 500 characters to recipients that are away, confirmed once they are on the disk. 64 senders: each waits for "
        "its confirmation before its next letter.",
    ),
    Row(
        12,
        "group-chat turns/s (4 handler agents in 4 processes, round robin, 500 characters, transcript on disk), 1 000 turns",
        "autogen-agentchat RoundRobin in one process, unpersisted; LangGraph + SqliteSaver",
        (
            higher("agentchat", 1.2, 2.0, _CHAT, _S("chats", "agentchat RoundRobin, 1000 turns", "turns_s")),
            higher("LangGraph", 4.0, 8.0, _CHAT, _S("chats", "LangGraph + SqliteSaver, 1000 turns", "turns_s")),
        ),
        "Broker, coordinator and four agents are six processes; every turn is a commit of the transcript, a request and its "
        "reply. The transcript is FULL, as it always is: each commit waits for the disk. The peers hold it inside one process.",
    ),
    Row(
        13,
        "the same with FULL",
        "with NORMAL",
        (higher("turns/s", 0.45, 0.7, _CHAT, _CHAT_NORMAL),),
        "The transcript knows FULL only; for this row the benchmark relaxes the coordinator's connection to NORMAL.",
    ),
    Row(
        14,
        "time per turn at 1 000 ÷ at 100 and at 10 000 ÷ at 1 000; bytes of database per turn",
        "itself",
        (
            lower("1 000 ÷ 100", 1.2, 1.05, _S("chat length", "rostra", "us_at_1000"), _S("chat length", "rostra", "us_at_100")),
            lower(
                "10 000 ÷ 1 000", 1.2, 1.05, _S("chat length", "rostra", "us_at_10000"), _S("chat length", "rostra", "us_at_1000")
            ),
            lower("bytes", 1.2, 1.05, _S("chat length", "rostra", "bytes_late"), _S("chat length", "rostra", "bytes_early")),
            lower(
                "last hundred ÷ first of 1 000",
                1.5,
                1.05,
                _S("chat length", "rostra", "us_last"),
                _S("chat length", "rostra", "us_first"),
            ),
        ),
        "One chat; the median time of a turn in a window of a hundred that ends at the given turn, as observers see it.",
    ),
    Row(
        15,
        "100 chats at once on one coordinator, FULL, turns/s",
        "one chat",
        (higher("turns/s", 3.0, 6.0, _S("chats", "rostra, FULL, 100 chats", "turns_s"), _CHAT),),
        "A hundred chats share one disk's flushes: each group commit carries the rows of all that wait.",
    ),
    Row(
        16,
        "an agent process to registered: CPU; RSS",
        "a bare process with zmq, msgspec, asyncio and a DEALER",
        (
            lower("CPU", 1.6, 1.25, _S("agent process", "rostra agent", "cpu_ms"), _S("agent process", "bare process", "cpu_ms")),
            lower("RSS", 1.2, 1.08, _S("agent process", "rostra agent", "rss_mb"), _S("agent process", "bare process", "rss_mb")),
        ),
        "From exec until the broker knows the name. What it adds is the import of the protocol and of the agent.",
    ),
    Row(
        17,
        "20 local agents from the fork server, start to ready; private memory each",
        "20 spawned",
        (
            lower("start", 0.1, 0.03, _S("fleet", "20 forked", "start_ms"), _S("fleet", "20 spawned", "start_ms")),
            lower("private memory", 0.35, 0.2, _S("fleet", "20 forked", "private_mb"), _S("fleet", "20 spawned", "private_mb")),
        ),
        "The fork server is warm: it has forked one agent before.",
    ),
    Row(
        18,
        "p50 with 1 000 idle peers; broker memory per peer",
        "without them",
        (
            lower("p50", 1.15, 1.05, _S("idle peers", "1000 idle peers", "p50_us"), _S("idle peers", "no idle peers", "p50_us")),
            lower("memory", 60.0, 35.0, _S("idle peers", "1000 idle peers", "kb_per_peer"), kind="value", unit="kB"),
        ),
        "The idle peers hold two sockets' worth of state in libzmq and one record in the broker.",
    ),
    Row(
        19,
        "envelope encode + decode",
        "a msgpack dict of the same message",
        (lower("time", 1.3, 0.5, _S("codec", "rostra", "us"), _S("codec", "msgpack dict", "us")),),
        "Head and body, encoded and decoded, limits checked, as a `ChatMessage` of 500 characters in a REQUEST.",
    ),
    Row(
        20,
        "streaming deltas from the gateway to a terminal",
        "the SDK alone, p50 per delta",
        (
            lower(
                "p50",
                2.0,
                1.0,
                _S("streaming", "through the gateway", "p50_ms"),
                _S("streaming", "openai SDK alone", "p50_ms"),
                kind="difference",
                unit="ms",
            ),
        ),
        "A server on loopback writes the time into each delta; the reader subtracts it.",
    ),
    Row(
        21,
        "`rostra --help`; `rostra validate`",
        "a bare interpreter start",
        (
            lower(
                "--help",
                250.0,
                150.0,
                _S("commands", "rostra --help", "ms"),
                _S("commands", "python -c pass", "ms"),
                kind="difference",
                unit="ms",
            ),
            lower(
                "validate",
                400.0,
                250.0,
                _S("commands", "rostra validate", "ms"),
                _S("commands", "python -c pass", "ms"),
                kind="difference",
                unit="ms",
            ),
        ),
    ),
)
