"""Who is started, stopped and started again, and when: a pure state machine. `now` is seconds on any monotonic clock.

Rules: the first crash is mended at once; further ones within `WINDOW` after a pause that doubles; with the `CRASHES`th the
process is given up, with a reason. Being killed by SIGKILL while it did its work is no crash of its own: that is mended at
once, up to `KILLS` times within `WINDOW`. What ends by saying that starting again is of no use (`exits.FINAL`) is given up at
once, but for those that stand by for each other (`spare`) and were overtaken. A stop that was asked for is no crash. A process
that does not become ready in time is killed, which is a crash.
"""

import random
import signal
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import msgspec

from .exits import FINAL, OVERTAKEN, ExitCode, said

CRASHES = 5
KILLS = 30
WINDOW = 30.0
"""Seconds for which a crash is held against a process."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
READY_SECONDS = 60.0
"""Time to become ready."""
STOP_SECONDS = 15.0
"""Time to end after SIGTERM; then SIGKILL. More than an agent takes to drain."""


class State(Enum):
    """Where a process stands."""

    IDLE = "idle"
    STARTING = "starting"
    READY = "ready"
    PAUSING = "pausing"
    STOPPING = "stopping"
    STOPPED = "stopped"
    GIVEN_UP = "given up"


class Launch(msgspec.Struct, frozen=True):
    """Start the process `key`."""

    key: str


class Signal(msgspec.Struct, frozen=True):
    """Send `number` to the process `key`."""

    key: str
    pid: int
    number: int


class ProcessEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a process. `why` is a sentence; `pause`: seconds until it is started again."""

    type: Literal["started", "ready", "died", "restarting", "stopped", "given_up"]
    key: str
    pid: int = 0
    why: str = ""
    pause: float = 0.0


Effect = Launch | Signal | ProcessEvent


@dataclass(slots=True)
class Watched:
    """One process as it is watched. `stage`: the higher, the earlier it is stopped."""

    key: str
    stage: int
    state: State = State.IDLE
    pid: int = 0
    due: float = float("inf")
    crashes: deque[float] = field(default_factory=deque)
    kills: deque[float] = field(default_factory=deque)
    restarts: int = 0
    why: str = ""
    """Given up: why."""
    again: bool = False
    """Stopping: to be started again."""
    spare: bool = False
    """One of several that stand by for each other."""


ALIVE = frozenset({State.STARTING, State.READY, State.STOPPING})


class Watch:
    """All processes of a team. Inputs return what is to be done, in order."""

    def __init__(self, stages: dict[str, int], *, spare: Container[str] = (), seed: int | None = None) -> None:
        self.processes = {key: Watched(key, stage, spare=key in spare) for key, stage in stages.items()}
        self.stopping = False
        self._random = random.Random(seed)

    @property
    def due(self) -> float:
        """When `tick` wants to be called next."""
        return min((one.due for one in self.processes.values()), default=float("inf"))

    @property
    def all_ready(self) -> bool:
        """Whether every process is ready."""
        return all(one.state is State.READY for one in self.processes.values())

    @property
    def all_ended(self) -> bool:
        """Whether no process is left, nor about to be."""
        return not any(one.state in ALIVE or one.state is State.PAUSING for one in self.processes.values())

    def start(self, keys: Iterable[str], now: float) -> list[Effect]:
        """Start those of `keys` that do not run."""
        effects: list[Effect] = []
        for key in keys:
            one = self.processes[key]
            if one.state not in ALIVE and not self.stopping:
                one.crashes.clear()
                effects += self._launch(one, now)
        return effects

    def launched(self, key: str, pid: int) -> list[Effect]:
        """The process runs."""
        one = self.processes[key]
        one.pid = pid
        effects: list[Effect] = [ProcessEvent(type="started", key=key, pid=pid)]
        if one.state is State.STOPPING:
            effects.append(Signal(key, pid, signal.SIGTERM))
        return effects

    def ready(self, key: str) -> list[Effect]:
        """The process does its work."""
        one = self.processes[key]
        if one.state is not State.STARTING:
            return []
        one.state, one.due = State.READY, float("inf")
        return [ProcessEvent(type="ready", key=key, pid=one.pid)]

    def exited(self, key: str, code: int, now: float) -> list[Effect]:
        """The process is gone; `code` as in `exits`."""
        one = self.processes[key]
        pid, one.pid = one.pid, 0
        if one.state is State.STOPPING or self.stopping:
            one.state, one.due = State.STOPPED, float("inf")
            effects: list[Effect] = [ProcessEvent(type="stopped", key=key, pid=pid, why=said(code) if code else "")]
            if one.again and not self.stopping:
                one.again = False
                return effects + self._launch(one, now)
            return effects + (self._stop_next(now) if self.stopping else [])
        died = ProcessEvent(type="died", key=key, pid=pid, why=said(code))
        if code in FINAL and not (one.spare and code in OVERTAKEN):
            return [died, *self._give_up(one, pid, f"it {said(code)}")]
        killed = one.state is State.READY and code == -signal.SIGKILL
        deaths = one.kills if killed else one.crashes
        deaths.append(now)
        while deaths[0] < now - WINDOW:
            deaths.popleft()
        if len(deaths) >= (KILLS if killed else CRASHES):
            why = f"it died {len(deaths)} times within {WINDOW:g} s, last: it {said(code)}"
            return [died, *self._give_up(one, pid, why)]
        one.restarts += 1
        pause = 0.0 if killed else self._pause(len(one.crashes))
        restarting = ProcessEvent(type="restarting", key=key, pause=round(pause, 3), why=said(code))
        if pause == 0:
            return [died, restarting, *self._launch(one, now)]
        one.state, one.due = State.PAUSING, now + pause
        return [died, restarting]

    def restart(self, key: str, now: float) -> list[Effect]:
        """Stop the process and start it again; one that does not run is started."""
        one = self.processes[key]
        if self.stopping:
            return []
        if one.state not in ALIVE:
            return self.start([key], now)
        one.again = True
        return self._stop(one, now)

    def stop(self, now: float, *, hard: bool = False) -> list[Effect]:
        """Stop everything, the highest stage first. `hard`: kill what is left, now."""
        self.stopping = True
        for one in self.processes.values():
            if one.state is State.PAUSING:
                one.state, one.due = State.STOPPED, float("inf")
        if not hard:
            return self._stop_next(now)
        effects: list[Effect] = []
        for one in self.processes.values():
            if one.state in ALIVE:
                one.state, one.due = State.STOPPING, float("inf")
                if one.pid:
                    effects.append(Signal(one.key, one.pid, signal.SIGKILL))
        return effects

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        for one in self.processes.values():
            if one.due > now:
                continue
            if one.state is State.PAUSING:
                effects += self._launch(one, now)
                continue
            one.due = float("inf")
            if one.pid:  # it did not become ready, or did not stop, in time
                effects.append(Signal(one.key, one.pid, signal.SIGKILL))
            else:  # it was never made
                effects += self.exited(one.key, ExitCode.CRASHED, now)
        return effects

    def _launch(self, one: Watched, now: float) -> list[Effect]:
        one.state, one.due, one.why = State.STARTING, now + READY_SECONDS, ""
        return [Launch(one.key)]

    def _pause(self, crashes: int) -> float:
        if crashes <= 1:
            return 0.0
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (crashes - 2)) * self._random.uniform(0.5, 1.0)

    def _give_up(self, one: Watched, pid: int, why: str) -> list[Effect]:
        one.state, one.due, one.why = State.GIVEN_UP, float("inf"), why
        effects: list[Effect] = [ProcessEvent(type="given_up", key=one.key, pid=pid, why=why)]
        return effects

    def _stop_next(self, now: float) -> list[Effect]:
        alive = [one for one in self.processes.values() if one.state in ALIVE]
        highest = max((one.stage for one in alive), default=0)
        return [effect for one in alive if one.stage == highest for effect in self._stop(one, now)]

    def _stop(self, one: Watched, now: float) -> list[Effect]:
        if one.state is State.STOPPING:
            return []
        one.state, one.due = State.STOPPING, now + STOP_SECONDS
        return [Signal(one.key, one.pid, signal.SIGTERM)] if one.pid else []
