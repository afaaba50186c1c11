"""Whether the message that is being received has another frame, asked of libzmq directly.

pyzmq's `socket.get(RCVMORE)` takes 1.1 µs, as long as four receives, because it makes an enum member of the option's number; a
frame received without a copy, which knows it too, costs 0.6 µs more to receive and 0.2 µs more to send. This takes 0.4 µs.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path

import zmq

_RCVMORE = int(zmq.RCVMORE)


def has_more(socket: "zmq.Socket[bytes]") -> Callable[[], int]:
    """A function that says whether another frame follows the one just received on `socket`."""
    library = _libzmq()
    if library is None:
        return lambda: int(socket.get(_RCVMORE))
    handle, value, size = ctypes.c_void_p(socket.underlying), ctypes.c_int(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    where, how_long = ctypes.byref(value), ctypes.byref(size)
    getsockopt = library.zmq_getsockopt

    def more() -> int:
        return getsockopt(handle, _RCVMORE, where, how_long) or value.value

    return more


def _libzmq() -> ctypes.PyDLL | None:
    """The very library that pyzmq has loaded; None where it cannot be told, or is built into pyzmq."""
    try:
        mapped = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    for line in mapped.splitlines():
        path = line.split(maxsplit=5)[-1]
        if Path(path).name.startswith("libzmq"):
            library = ctypes.PyDLL(path)  # the GIL stays: this never waits
            return library if hasattr(library, "zmq_getsockopt") else None
    return None
