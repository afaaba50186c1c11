"""Real processes that play a part in a measurement, each with a pipe to the one that measures."""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, Self

P = ParamSpec("P")
_fork = multiprocessing.get_context("fork")
PATIENCE = 60.0
"""Seconds that a silent process is waited for."""


class Pipe(Protocol):
    """The end of the pipe that a process of a measurement holds."""

    def send(self, word: Any, /) -> None:
        """Say something to the one that measures."""

    def recv(self) -> Any:
        """Wait for its word."""

    def poll(self, seconds: float = 0.0, /) -> bool:
        """Whether it says something within `seconds`."""
        ...


class Part:
    """A forked process that runs `play(pipe, …)`. The parent never owns a ZeroMQ context, so there is none to inherit."""

    def __init__(self, play: Callable[..., None], *arguments: Any, **options: Any) -> None:
        self._pipe, theirs = _fork.Pipe()
        self._process = _fork.Process(target=_run, args=(play, theirs, arguments, options), daemon=True)
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def hear(self, seconds: float = PATIENCE) -> Any:
        """What it says next; raises `TimeoutError` when it is silent, `EOFError` when it died."""
        if not self._pipe.poll(seconds):
            raise TimeoutError(f"a process of the measurement said nothing for {seconds:.0f} s")
        return self._pipe.recv()

    def tell(self, word: Any = None) -> None:
        """Say something to it."""
        self._pipe.send(word)

    def end(self) -> None:
        """Terminate it and wait, so that its CPU time counts as ours."""
        if self._process.is_alive():
            os.kill(self.pid, signal.SIGTERM)
            self._process.join(3)
            if self._process.is_alive():
                os.kill(self.pid, signal.SIGKILL)
        self._process.join()
        self._pipe.close()


class Cast:
    """The processes of one sample and a directory for their sockets and files; all gone at the end of the `with` block."""

    def __enter__(self) -> Self:
        self._parts: list[Part] = []
        self._directory = tempfile.TemporaryDirectory(prefix="rostra-bench-")
        self.directory = Path(self._directory.name)
        return self

    def __exit__(self, *_: object) -> None:
        for part in reversed(self._parts):
            part.end()
        self._directory.cleanup()

    def start(self, play: "Callable[Concatenate[Pipe, P], None]", *arguments: P.args, **options: P.kwargs) -> Part:
        """Start one process."""
        part = Part(play, *arguments, **options)
        self._parts.append(part)
        return part

    def ready(self, play: "Callable[Concatenate[Pipe, P], None]", *arguments: P.args, **options: P.kwargs) -> Part:
        """Start one process and wait for its first word."""
        part = self.start(play, *arguments, **options)
        part.hear()
        return part

    def address(self, name: str = "bus") -> str:
        """An ipc address of its own."""
        return f"ipc://{self.directory}/{name}"


def _run(play: Callable[..., None], pipe: Pipe, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the parent's to handle
    code = 0
    try:
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            play(pipe, *arguments, **options)
    except Exception:  # noqa: BLE001 - the outermost boundary of this process: say what happened, and die
        traceback.print_exc()
        code = 1
    os._exit(code)  # without the parent's exit handlers
