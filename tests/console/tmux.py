"""A terminal of its own for a command: a tmux server on a private socket."""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

SECONDS = 60.0
"""Patience with what is awaited on the screen."""


class Tmux:
    """Runs `command` in a terminal of `columns` by `rows`, until the block is left; `environment` is what it sees.

    A line `left with CODE, terminal kept` says that it has ended and the settings of the terminal are as before.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="tmux-"))  # the path of a socket is short
        self._environment = {**environment, "TMUX_TMPDIR": str(self._directory)}
        self._environment.pop("TMUX", None)
        self._size = (str(columns), str(rows))
        self._command = (
            f"before=$(stty -g); {shlex.join(command)}; code=$?; after=$(stty -g); "
            '[ "$before" = "$after" ] && kept=kept || kept=changed; echo "left with $code, terminal $kept"; exec sleep 3600'
        )

    def __enter__(self) -> Self:
        """Start it."""
        columns, rows = self._size
        # The pane takes its variables from the server, whose own TERM is of no importance, but for that of the pane.
        term = self._environment.get("TERM", "screen")
        self._tmux("new-session", "-d", "-x", columns, "-y", rows, f"TERM={shlex.quote(term)}; export TERM; {self._command}")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")
        shutil.rmtree(self._directory)

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    @property
    def attributes(self) -> str:
        """What is on the screen, with the escape sequences of its attributes and colours."""
        return self._tmux("capture-pane", "-p", "-e")

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is on."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    @property
    def pid(self) -> int:
        """The id of the command's process."""
        shell = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text(encoding="ascii").split()[0])

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names of them."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal larger or smaller."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def until(self, *texts: str, gone: str = "") -> str:
        """Wait until all of these are on the screen, and `gone` is not; returns the screen."""
        return self.seen(lambda screen: all(text in screen for text in texts) and (not gone or gone not in screen), texts)

    def seen(self, wanted: Callable[[str], bool], what: object) -> str:
        """Wait until the screen is as wanted; returns it."""
        end = time.monotonic() + SECONDS
        while not wanted(screen := self.screen):
            assert time.monotonic() < end, f"{what} is awaited on\n{screen}"
            time.sleep(0.02)
        return screen

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-f", os.devnull, "-S", str(self._directory / "socket"), *arguments]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
