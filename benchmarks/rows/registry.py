"""Every measurement by its name."""

from benchmarks.measure import Measurement

from . import asks, chats, codec, commands, events, idle, latency, length, processes, routing

MEASUREMENTS: dict[str, Measurement] = {
    "latency": latency.measurement,
    "routing": routing.measurement,
    "asks": asks.measurement,
    "events": events.measurement,
    "idle peers": idle.measurement,
    "chats": chats.measurement,
    "chat length": length.measurement,
    "agent process": processes.alone,
    "fleet": processes.fleet,
    "codec": codec.measurement,
    "commands": commands.measurement,
}
