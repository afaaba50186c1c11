"""Who is connected, under which name."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rostra.protocol.directory import Peer

from .rates import Meter


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
