"""Every measurement by its name."""

from benchmarks.measure import Measurement

from . import asks, codec, commands, events, idle, latency, routing

MEASUREMENTS: dict[str, Measurement] = {
    "latency": latency.measurement,
    "routing": routing.measurement,
    "asks": asks.measurement,
    "events": events.measurement,
    "idle peers": idle.measurement,
    "codec": codec.measurement,
    "commands": commands.measurement,
}
