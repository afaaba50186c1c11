"""Fan-out with nothing but pyzmq: a PUB, libzmq's C proxy between XSUB and XPUB, bare SUB sockets."""

import os
import time

import zmq
from zmq.backend import Socket as Backend

from benchmarks.processes import Pipe

SNDMORE = int(zmq.SNDMORE)
TOPIC = b"bench.news"
SYNC = b"sync"


def proxy(pipe: Pipe, front: str, back: str) -> None:
    """The broker of the floor. Nothing is dropped: its queues have no limit."""
    context = zmq.Context()
    inward, outward = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
    for socket, address in ((inward, front), (outward, back)):
        socket.set(zmq.SNDHWM, 0)
        socket.set(zmq.RCVHWM, 0)
        socket.bind(address)
    pipe.send("up")
    zmq.proxy(inward, outward)


def subscriber(pipe: Pipe, address: str, frames: int, count: int) -> None:
    """Takes events of `frames` frames each, the last one the body; says when the first sync came, and when the last event did."""
    socket = zmq.Context().socket(zmq.SUB)
    socket.set(zmq.RCVHWM, 0)
    socket.set(zmq.SUBSCRIBE, TOPIC)
    socket.connect(address)
    recv = Backend.recv.__get__(socket)
    rest = range(frames - 1)

    def body() -> bytes:
        for _ in rest:
            recv()
        last: bytes = recv()
        return last

    while body() != SYNC:
        pass
    pipe.send("synced")
    taken = 0
    while taken < count:
        if body() != SYNC:
            taken += 1
    pipe.send(time.monotonic())
    pipe.recv()


def publisher(pipe: Pipe, address: str, size: int, count: int) -> None:
    """Says sync until told to stop, then publishes `count` events as fast as it can; says when it began."""
    socket = zmq.Context().socket(zmq.PUB)
    socket.set(zmq.SNDHWM, 0)
    socket.connect(address)
    send, body = Backend.send.__get__(socket), os.urandom(size)
    while not pipe.poll(0.03):
        send(TOPIC, SNDMORE)
        send(SYNC)
    pipe.recv()
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()
    for _ in range(count):
        send(TOPIC, SNDMORE)
        send(body)
    pipe.send(began)
    pipe.recv()
