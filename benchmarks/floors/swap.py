"""The least a broker of named peers can do: a loop in C that receives three frames and sends them with the first two swapped."""

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

import zmq
from zmq.backend import Socket as Backend

from benchmarks.measure import Unavailable
from benchmarks.processes import Pipe

SNDMORE = int(zmq.SNDMORE)
SOURCE = """
typedef union { void *alignment; unsigned char bytes[64]; } zmq_msg_t;
int zmq_msg_init(zmq_msg_t *);
int zmq_msg_recv(zmq_msg_t *, void *socket, int flags);
int zmq_msg_send(zmq_msg_t *, void *socket, int flags);
enum { MORE = 2 };

int swap(void *router) {
    zmq_msg_t sender, receiver, body;
    zmq_msg_init(&sender); zmq_msg_init(&receiver); zmq_msg_init(&body);
    while (zmq_msg_recv(&sender, router, 0) >= 0
           && zmq_msg_recv(&receiver, router, 0) >= 0
           && zmq_msg_recv(&body, router, 0) >= 0) {
        if (zmq_msg_send(&receiver, router, MORE) < 0
            || zmq_msg_send(&sender, router, MORE) < 0
            || zmq_msg_send(&body, router, 0) < 0) return -1;
    }
    return -1;
}
"""
HIGH_WATER = (20_000, 1000)
"""Queues out and in, as the broker's."""


def compile_loop(directory: Path) -> Path:
    """Build the loop's library; raises `Unavailable` without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler is installed")
    source, library = directory / "swap.c", directory / "swap.so"
    source.write_text(SOURCE)
    done = subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", library, source], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"the C loop does not compile: {done.stderr.strip()[:200]}")
    return library


def _libzmq() -> str:
    """The very library that pyzmq has loaded."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if "libzmq" in Path(path).name:
            return path
    raise Unavailable("pyzmq has libzmq built in, so that a C loop cannot share it")


def swap(pipe: Pipe, address: str, library: Path) -> None:
    """The process of the C loop."""
    router = zmq.Context().socket(zmq.ROUTER)
    router.set(zmq.SNDHWM, HIGH_WATER[0])
    router.set(zmq.RCVHWM, HIGH_WATER[1])
    router.bind(address)
    ctypes.CDLL(_libzmq(), ctypes.RTLD_GLOBAL)
    loop = ctypes.CDLL(str(library)).swap
    loop.argtypes = [ctypes.c_void_p]
    pipe.send("up")
    loop(router.underlying)


def receiver(pipe: Pipe, address: str, name: str, count: int) -> None:
    """Takes `count` messages, then says when the last one came."""
    socket = _dealer(address, name)
    recv = Backend.recv.__get__(socket)
    recv(), recv()
    pipe.send("connected")
    for _ in range(count):
        recv(), recv()
    pipe.send(time.monotonic())
    pipe.recv()


def sender(pipe: Pipe, address: str, name: str, to: str, size: int, count: int) -> None:
    """Says hello until told that it arrived, then sends `count` messages as fast as it can; says when it began."""
    socket = _dealer(address, name)
    send, receiver_name, body = Backend.send.__get__(socket), to.encode(), os.urandom(size)
    send(receiver_name, SNDMORE)
    send(b"")
    pipe.recv()
    began = time.monotonic()
    for _ in range(count):
        send(receiver_name, SNDMORE)
        send(body)
    pipe.send(began)
    pipe.recv()


def _dealer(address: str, name: str) -> "zmq.Socket[bytes]":
    socket = zmq.Context().socket(zmq.DEALER)
    socket.set(zmq.ROUTING_ID, name.encode())
    socket.connect(address)
    return socket
