"""Who may connect and who they are: CURVE on TCP, a key for each name (SPEC §10)."""

import logging
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


class Unguarded(RostraError):
    """The start-up self-test failed: a stranger's key was not refused."""

    code = "unguarded"


class _Authenticator(ThreadAuthenticator):
    """Answers libzmq's questions (ZAP) on a thread of its own, with the agent's name as User-Id."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", guard: "Guard") -> None:
        super().__init__(context)
        self._guard = guard

    def curve_user_id(self, client_public_key: bytes) -> str:
        """The name that the key stands for."""
        return self._guard.names.get(z85.encode(client_public_key), "")


class Guard:
    """The broker's key ring at work."""

    def __init__(self, ring: KeyRing) -> None:
        """Raises `NoKey` when the ring has no pair for the broker."""
        self._ring, self._pair = ring, ring.broker()
        self._stamp = ring.stamp()
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
        if self._authenticator:
            self._authenticator.stop()

    def protect(self, socket: "zmq.Socket[bytes]") -> None:
        """Make a socket that will be bound demand a key of the ring."""
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._pair.secret)
        socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def refresh(self) -> bool:
        """Read the ring again if it has changed; True when a key is gone."""
        stamp = self._ring.stamp()
        if stamp == self._stamp:
            return False
        before = set(self.names.items())
        self._stamp, self.names = stamp, self._ring.names()
        return not before <= set(self.names.items())

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
