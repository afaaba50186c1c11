"""Round trips with nothing but pyzmq: DEALER to ROUTER without a broker, and through libzmq's C `zmq.proxy`."""

import os
import time

import zmq
from zmq.backend import Socket as Backend

from benchmarks.processes import Pipe

SNDMORE = int(zmq.SNDMORE)


def echo_router(pipe: Pipe, address: str) -> None:
    """A ROUTER that answers whoever speaks."""
    socket = zmq.Context().socket(zmq.ROUTER)
    socket.bind(address)
    pipe.send("up")
    _echo(socket)


def proxy(pipe: Pipe, front: str, back: str) -> None:
    """libzmq's own broker: `zmq.proxy` between a ROUTER for clients and a DEALER for servers."""
    context = zmq.Context()
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    router.bind(front)
    dealer.bind(back)
    pipe.send("up")
    zmq.proxy(router, dealer)


def echo_dealer(pipe: Pipe, address: str) -> None:
    """A server behind the proxy."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(address)
    pipe.send("up")
    _echo(socket)


def _echo(socket: "zmq.Socket[bytes]") -> None:
    recv, send = Backend.recv.__get__(socket), Backend.send.__get__(socket)
    while True:
        route, body = recv(), recv()
        send(route, SNDMORE)
        send(body)


def trips(pipe: Pipe, address: str, size: int, count: int) -> None:
    """The client: one message in flight; says the duration of each round trip in nanoseconds."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(address)
    recv, send = Backend.recv.__get__(socket), Backend.send.__get__(socket)
    body = os.urandom(size)
    clock, durations = time.perf_counter_ns, []
    for _ in range(count // 10):
        send(body)
        recv()
    for _ in range(count):
        began = clock()
        send(body)
        recv()
        durations.append(clock() - began)
    pipe.send(durations)
    pipe.recv()
