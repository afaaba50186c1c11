"""Who may connect and who they are: CURVE on TCP, a key for each name (SPEC §10)."""

import logging
import time
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from rostra.protocol.errors import RostraError
from rostra.protocol.keys import KeyRing

log = logging.getLogger(__name__)

DOMAIN = "rostra"
SELF_TEST_MS = 5000
SETTLING_NS = 200_000_000


class Unguarded(RostraError):
    """The start-up self-test failed: a stranger's key was not refused."""

    code = "unguarded"


class _Authenticator(ThreadAuthenticator):
    """Answers libzmq's questions (ZAP) on a thread of its own, with the agent's name as User-Id."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", guard: "Guard") -> None:
        super().__init__(context)
        self._guard = guard

    def curve_user_id(self, client_public_key: bytes) -> str:
        """The name that the key stands for, and the key."""
        return self._guard.identity(z85.encode(client_public_key))


class Guard:
    """The broker's key ring at work."""

    def __init__(self, ring: KeyRing) -> None:
        """Raises `NoKey` when the ring has no pair for the broker."""
        self._ring, self._pair = ring, ring.broker()
        self._stamp, self._settled = ring.stamp(), False
        self.names = ring.names()
        self._authenticator: Any = None

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether a public key (Z85) may connect; called by the authenticator on its thread."""
        self.refresh()
        known = key in self.names
        if not known:
            log.warning("a key that is not in the ring was refused")
        return known

    def start(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        """Begin to answer for the sockets of `context`."""
        self._authenticator = _Authenticator(context, self)
        self._authenticator.configure_curve_callback(DOMAIN, self)
        self._authenticator.start()

    def stop(self) -> None:
        """End."""
        authenticator, self._authenticator = self._authenticator, None
        if authenticator and authenticator.is_alive():
            authenticator.stop()
        elif authenticator:  # a dead one would never answer, nor may it try when it is collected
            for socket in (authenticator.pipe, authenticator.zap_socket):
                if socket:
                    socket.close(linger=0)
            authenticator.pipe = authenticator.zap_socket = None

    def protect(self, socket: "zmq.Socket[bytes]") -> None:
        """Make a socket that will be bound demand a key of the ring."""
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._pair.secret)
        socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def identity(self, key: bytes) -> str:
        """What is known of the holder of a public key (Z85): its name and the key; empty for a stranger's.

        The key is part of it, so that a name that was given a new key does not let in the holder of the old one.
        """
        name = self.names.get(key, "")
        return f"{name} {key.decode()}" if name else ""

    def identities(self) -> set[str]:
        """Everyone who may be connected."""
        return {f"{name} {key.decode()}" for key, name in self.names.items()}

    def knows(self, identity: str) -> bool:
        """Whether the holder of this name and key may be connected."""
        name, _, key = identity.partition(" ")
        return bool(name) and self.names.get(key.encode()) == name

    def refresh(self) -> None:
        """Read the ring again if it has changed."""
        try:
            stamp = self._ring.stamp()
            if stamp == self._stamp and self._settled:
                return
            names = self._ring.names()
        except OSError as error:  # no descriptor free, say; what was known stays, and is looked at again
            log.error("the key ring cannot be read: %s", error)
            return
        # Two changes within a tick of the file system's clock have one stamp: what changed just now is read once more later.
        self._stamp, self._settled = stamp, abs(time.time_ns() - stamp) > SETTLING_NS
        self.names = names

    def self_test(self, address: str, kind: int) -> None:
        """Knock at `address` with a stranger's key and a socket of this kind; raises `Unguarded` unless it is refused."""
        context = zmq.Context()
        socket = context.socket(kind)
        socket.set(zmq.RECONNECT_IVL, -1)
        try:
            public, secret = zmq.curve_keypair()
            socket.set(zmq.CURVE_SERVERKEY, self._pair.public)
            socket.set(zmq.CURVE_PUBLICKEY, public)
            socket.set(zmq.CURVE_SECRETKEY, secret)
            monitor = socket.get_monitor_socket(int(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH))
            socket.connect(address.replace("*", "127.0.0.1").replace("0.0.0.0", "127.0.0.1"))  # noqa: S104
            if not monitor.poll(SELF_TEST_MS):
                raise Unguarded(f"nothing answers at {address}")
            if recv_monitor_message(monitor)["event"] != zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise Unguarded("a key that is not in the ring was let in; the broker does not start")
            socket.disable_monitor()
            monitor.close()
        finally:
            socket.close(linger=0)
            context.destroy(linger=0)
