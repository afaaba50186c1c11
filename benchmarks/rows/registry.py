"""Every measurement by its name."""

from benchmarks.measure import Measurement

from . import asks, chats, codec, commands, curve, events, idle, latency, length, mail, processes, routing, streaming

MEASUREMENTS: dict[str, Measurement] = {
    "latency": latency.measurement,
    "routing": routing.measurement,
    "asks": asks.measurement,
    "tcp latency": asks.tcp,
    "events": events.measurement,
    "curve": curve.measurement,
    "mail": mail.measurement,
    "chats": chats.measurement,
    "chat length": length.measurement,
    "agent process": processes.alone,
    "fleet": processes.fleet,
    "idle peers": idle.measurement,
    "codec": codec.measurement,
    "streaming": streaming.measurement,
    "commands": commands.measurement,
}

FEW_ROUNDS = {"chat length": 1, "fleet": 3, "commands": 3}
"""Those that take long and vary little."""
