"""Who is connected, under which name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rostra.protocol.directory import Peer
from rostra.protocol.messages import Cancel, Error, Hello, Reply, Request, Working

from .rates import Meter
from .topics import Producer

PART_BYTES, PART_NODES = 512 * 1024, 8_000
"""Upper bounds of one answer to `peers` and of one part of SUBSCRIBED, below the limits of a body."""
MAX_HELD = 10_000
"""Requests remembered per replica; the oldest is forgotten first, and left to its caller's patience."""


@dataclass(slots=True)
class Connection:
    """One bound connection. `route` is ZeroMQ's routing id, which means nothing outside the broker's own sockets."""

    route: bytes
    name: str
    address: bytes
    boot: bytes
    shared: bool
    lease: float
    seen: float
    since_ms: int
    user: str = ""
    """The name of its key, and the key; empty where there are none."""
    info: dict[str, Any] = field(default_factory=dict)
    held: dict[tuple[bytes, bytes], float] = field(default_factory=dict)
    """Replicas only: the requests it works on, (the caller's address, id) → the time of the last sign of it."""
    weight: tuple[int, int] = (0, 0)
    """Bytes and nodes of `info`."""
    tried: float = 0.0
    """When the broker last tried whether it is there."""
    meter: Meter | None = None
    """What its name has sent lately, where that is limited."""
    producer: Producer = field(init=False)
    """As which it publishes."""

    def __post_init__(self) -> None:
        self.producer = Producer(self.name, self.boot)

    def is_of(self, hello: Hello) -> bool:
        """Whether HELLO comes from the process that has this connection."""
        return (self.name, self.boot, self.shared) == (hello.name, hello.boot, hello.shared)

    def peer(self) -> Peer:
        """What others may know of it."""
        return Peer(name=self.name, address=self.address.decode(), boot=self.boot, info=self.info, since_ms=self.since_ms)


class Registry:
    """The names that are bound. `routes` and `senders` are the two tables of the router's short cut."""

    def __init__(self) -> None:
        self.routes: dict[bytes, bytes] = {}
        """Address → route, for every address that means one connection."""
        self.senders: dict[bytes, bytes] = {}
        """Route → address, for connections whose traffic needs no book-keeping: those that share no name."""
        self.users: dict[bytes, str] = {}
        """Route → the name and the key it was bound with."""
        self._by_route: dict[bytes, Connection] = {}
        self._groups: dict[bytes, list[Connection]] = {}
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_route)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_route.values()))

    def of_route(self, route: bytes) -> Connection | None:
        """The connection behind a route."""
        return self._by_route.get(route)

    def holder(self, name: str) -> list[Connection]:
        """The connections of a name: one, or its replicas."""
        group = self._groups.get(name.encode())
        if group is not None:
            return list(group)
        route = self.routes.get(name.encode())
        return [self._by_route[route]] if route else []

    def replicas(self, name: bytes) -> list[Connection] | None:
        """The replicas that share `name`; None when it is not shared."""
        return self._groups.get(name)

    def add(self, connection: Connection, *, free: bool = True) -> None:
        """Bind a connection; its name must be free for it. `free`: it may ask anyone."""
        self._by_route[connection.route] = connection
        self.users[connection.route] = connection.user
        self.routes[connection.address] = connection.route
        if connection.shared:
            self._groups.setdefault(connection.name.encode(), []).append(connection)
        elif free:
            self.senders[connection.route] = connection.address

    def remove(self, connection: Connection) -> None:
        """Unbind a connection."""
        del self._by_route[connection.route]
        del self.routes[connection.address]
        self.senders.pop(connection.route, None)
        del self.users[connection.route]
        group = self._groups.get(connection.name.encode())
        if group is not None:
            group.remove(connection)
            if not group:
                del self._groups[connection.name.encode()]

    def replica_address(self, name: str) -> bytes:
        """A new address for one more replica of `name`."""
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        return f"{name}~{number}".encode()

    def page(self, after: bytes) -> list[Peer]:
        """As many peers as fit into one answer, in the order of their addresses, from beyond `after` on."""
        page: list[Peer] = []
        size = nodes = 0
        for one in sorted((one for one in self if one.address > after), key=lambda one: one.address):
            size, nodes = size + one.weight[0] + 256, nodes + one.weight[1] + 10
            if page and (size > PART_BYTES or nodes > PART_NODES):
                break
            page.append(one.peer())
        return page


def replica_for(
    replicas: list[Connection], source: bytes, header: Request | Reply | Error | Working | Cancel, now: float
) -> Connection | None:
    """The replica that already holds the request, else the one that holds fewest."""
    held = (source, header.id)
    for replica in replicas:
        if held in replica.held:
            if isinstance(header, Cancel):
                del replica.held[held]
            elif isinstance(header, Request):
                replica.held[held] = now
            return replica
    if not isinstance(header, Request):
        return None
    chosen = min(replicas, key=lambda replica: len(replica.held))
    chosen.held[held] = now
    if len(chosen.held) > MAX_HELD:
        del chosen.held[next(iter(chosen.held))]
    replicas.remove(chosen)
    replicas.append(chosen)  # ties rotate
    return chosen
