"""A tool that asks allowed hosts over HTTP.

Every address a name resolves to is checked, and the connection goes to a checked one, so that a name cannot lead into a private
network, neither at once nor on a redirect, nor by changing its mind in between.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Sequence
from typing import Annotated, Literal

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REDIRECTS = 5
PORTS = {"http": 80, "https": 443}
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_TRANSLATED = ipaddress.IPv6Network("64:ff9b:1::/48")


class HttpRefused(ValueError):
    """A request is not made, or its answer not taken; says why."""


class Http:
    """`hosts`: `host`, `host:port` or `*.domain`, which alone are asked. `limit`: bytes of an answer. `seconds`: of a whole call,
    redirects included. `private`: whether addresses of private networks are allowed."""

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        methods: Sequence[str] = ("GET", "HEAD"),
        private: bool = False,
        seconds: float = 30.0,
        limit: int = 64 * 1024,
    ) -> None:
        self._hosts, self._methods, self._private = tuple(host.lower() for host in hosts), tuple(methods), private
        self._seconds, self._limit = seconds, limit
        self.told = f"Asks a web server ({', '.join(methods)}); only {', '.join(hosts)}. Answers with status, type and text."

    def fetch(
        self,
        url: Annotated[str, "http or https."],
        method: Annotated[Method, "The method."] = "GET",
        body: Annotated[str, "What is sent; for POST, PUT and PATCH."] = "",
        content_type: Annotated[str, "The type of the body."] = "application/json",
    ) -> str:
        """Make a request and follow its redirects. Raises `HttpRefused`."""
        if method not in self._methods:
            raise HttpRefused(f"the method {method} is not allowed; allowed are {', '.join(self._methods)}")
        end = time.monotonic() + self._seconds
        headers = {"Content-Type": content_type.splitlines()[0]} if body and content_type else {}
        for _ in range(REDIRECTS + 1):
            status, location, told = self._once(url, method, body.encode(), headers, end)
            if status not in (301, 302, 303, 307, 308) or not location:
                return told
            url = urllib.parse.urljoin(url, location)
            if status == 303 or (status in (301, 302) and method == "POST"):
                method, body, headers = "GET", "", {}
                if method not in self._methods:
                    raise HttpRefused("the answer is a redirect, and GET is not allowed")
        raise HttpRefused(f"more than {REDIRECTS} redirects")

    def _once(self, url: str, method: str, body: bytes, headers: dict[str, str], end: float) -> tuple[int, str, str]:
        scheme, host, port, target = self._checked(url)
        address = self._resolved(host, port)
        left = end - time.monotonic()
        if left <= 0:
            raise HttpRefused(f"it took more than {self._seconds:g} s")
        connection = _Pinned(host, port, address, left, tls=scheme == "https")
        late = threading.Timer(left, connection.cut)  # a server that sends a byte a second passes every other limit
        late.daemon = True
        late.start()
        try:
            connection.request(method, target, body=body or None, headers={"User-Agent": "rostra", "Accept": "*/*", **headers})
            with connection.getresponse() as response:  # it keeps the socket open until it is closed itself
                data = response.read(self._limit + 1)
                return response.status, response.headers.get("Location", ""), self._told(response, data)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= end:
                raise HttpRefused(f"it took more than {self._seconds:g} s") from None
            raise HttpRefused(f"{host}: {type(error).__name__}: {error}") from None
        finally:
            late.cancel()
            connection.close()

    def _checked(self, url: str) -> tuple[str, str, int, str]:
        """Scheme, host, port and target of a URL that may be asked."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = (parts.hostname or "").lower().rstrip("."), parts.port
        except ValueError:
            raise HttpRefused(f"{url!r} is no URL") from None
        if parts.scheme not in PORTS or not host:
            raise HttpRefused("only http and https URLs with a host are asked")
        if parts.username is not None or parts.password is not None:
            raise HttpRefused("a URL with a user or a password is not asked")
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        if any(ord(character) <= 32 or ord(character) > 126 for character in host + target):
            raise HttpRefused("a URL is made of printable ASCII characters without spaces")
        usual = PORTS[parts.scheme]
        wanted = usual if port is None else port
        if not any(_fits(pattern, host, wanted) for pattern in self._hosts):
            shown = host if wanted in PORTS.values() else f"{host}:{wanted}"
            raise HttpRefused(f"the host {shown} is not allowed; allowed are {', '.join(self._hosts)}")
        return parts.scheme, host, wanted, target

    def _resolved(self, host: str, port: int) -> str:
        """An address of `host` to connect to; all of them must be allowed."""
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise HttpRefused(f"{host}: {error}") from None
        for address in found:
            if not self._private and not public(address):
                raise HttpRefused(f"{host} is {address}, which is in a private network")
        return found[0]

    def _told(self, response: http.client.HTTPResponse, data: bytes) -> str:
        kind = response.headers.get_content_type()
        head = f"{response.status} {response.reason}\n{kind}\n\n"
        if b"\0" in data[:1024]:
            return f"{head}({len(data)} bytes that are no text)"
        charset = response.headers.get_content_charset() or "utf-8"
        try:
            text = data[: self._limit].decode(charset, errors="replace")
        except LookupError:
            text = data[: self._limit].decode(errors="replace")
        return head + text + (f"\n… (cut after {self._limit} bytes)" if len(data) > self._limit else "")


class _Pinned(http.client.HTTPConnection):
    """A connection to `address`, whatever `host` resolves to by now."""

    def __init__(self, host: str, port: int, address: str, timeout: float, *, tls: bool) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address, self._tls = address, tls
        self._socket: socket.socket | None = None
        """Kept here too: `HTTPConnection` lets go of it while the answer is still read."""
        self._cut = False

    def connect(self) -> None:
        """See `HTTPConnection.connect`."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._socket = plain
        if self._tls:
            self.sock = self._socket = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        if self._cut:
            self.cut()

    def cut(self) -> None:
        """End it from another thread."""
        self._cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is over already
                self._socket.shutdown(socket.SHUT_RDWR)


def public(address: str) -> bool:
    """Whether an IP address is one of the public Internet, and is not another one in disguise."""
    ip: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and (ip in _TRANSLATED or ip in _LOCAL_TRANSLATED):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _fits(pattern: str, host: str, port: int) -> bool:
    name, colon, wanted = pattern.partition(":")
    if str(port) != wanted if colon else port not in PORTS.values():
        return False
    return host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name
