"""A peer that answers: a mailbox in front of handlers, bounded, drained when it stops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .client import Client
from .effects import CancelIncoming, Incoming, Lettered
from .errors import (
    BadMessage,
    Cancelled,
    MailboxFull,
    Refused,
    RemoteError,
    RequestError,
    Stopping,
    TimedOut,
    Unsupported,
)
from .failpoints import passing
from .frames import decode_body

log = logging.getLogger(__name__)

Handler = Callable[[Any, Incoming], Awaitable[Any]]
MailHandler = Callable[[Any, Lettered], Awaitable[None]]


class Service:
    """Answers the requests that reach a client. Make it, with its methods, before the client is entered: who asks may be quick.

    At most `concurrency` handlers run at once; `mailbox` more requests wait their turn, further ones are refused with
    `MailboxFull`. A handler is an async function `(payload, request) -> reply`; what it raises becomes an ERROR: a
    `RequestError` with its own code, anything else `failed`. It is cancelled when its caller cancels or its deadline passes.
    """

    def __init__(self, client: Client, *, concurrency: int = 64, mailbox: int = 1000) -> None:
        self.client = client
        self._concurrency, self._mailbox = concurrency, mailbox
        self._handlers: dict[str, tuple[Any, Handler]] = {}
        self._tasks: dict[tuple[str, bytes], asyncio.Task[None]] = {}
        self._requests: dict[tuple[str, bytes], Incoming] = {}
        """What the tasks work on."""
        self._unwinding: set[asyncio.Task[None]] = set()
        """Cancelled or out of time, and not yet done: what they would answer, nobody wants."""
        self._waiting: dict[tuple[str, bytes], Incoming] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._stopping = False
        self._mail: tuple[Any, MailHandler] | None = None
        self._reading: asyncio.Task[None] | None = None
        client.on_request, client.on_cancel = self._incoming, self._cancelled

    def method(self, name: str, payload: Any, handler: Handler) -> None:
        """Answer requests for `name`, whose body is a `payload` (a type), with `handler`."""
        self._handlers[name] = (payload, handler)

    def mail(self, payload: Any, handler: MailHandler) -> None:
        """Handle letters, whose body is a `payload` (a type), one after the other with `handler`.

        What it raises makes the broker deliver the letter again, at most five times; a body that is no `payload` too.
        """
        self._mail = (payload, handler)
        self.client.read_mail(self._lettered)

    @property
    def load(self) -> tuple[int, int]:
        """How many requests run, and how many wait."""
        return len(self._tasks), len(self._waiting)

    async def drain(self, seconds: float) -> None:
        """Take nothing new, refuse what waits, let what runs finish for at most `seconds`, then answer it with an error."""
        self._stopping = True
        if self._reading:
            await asyncio.wait([self._reading], timeout=seconds)
            self._reading.cancel()
        for request in self._waiting.values():
            self.client.fail(request, Stopping(f"{self.client.name} is shutting down"))
        self._waiting.clear()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)
        leftovers = [*self._tasks.values(), *self._unwinding]
        for task in leftovers:
            task.cancel()
        if leftovers:
            await asyncio.wait(leftovers, timeout=1.0)
        for key, request in list(self._requests.items()):  # their handlers would not be cancelled, or never began
            self.client.fail(request, Stopping(f"{self.client.name} is shutting down"))
            if self._tasks[key].done():
                del self._tasks[key], self._requests[key]
        if self._timer:
            self._timer.cancel()

    def _incoming(self, request: Incoming) -> None:
        if self._stopping:
            self.client.fail(request, Stopping(f"{self.client.name} is shutting down"))
        elif len(self._tasks) + len(self._unwinding) < self._concurrency:
            self._start(request)
        elif len(self._waiting) < self._mailbox:
            self._waiting[request.sender, request.id] = request
        else:
            self.client.fail(request, MailboxFull(f"{self.client.name} has {len(self._waiting)} requests waiting"))

    def _cancelled(self, cancel: CancelIncoming) -> None:
        key = (cancel.sender, cancel.id)
        self._waiting.pop(key, None)
        self._give_up(key)

    def _give_up(self, key: tuple[str, bytes]) -> None:
        task = self._tasks.pop(key, None)
        if task:
            del self._requests[key]
            self._unwinding.add(task)
            task.add_done_callback(self._unwound)
            task.cancel()

    def _lettered(self, letter: Lettered) -> None:
        if not self._stopping:  # a letter that is not read stays in the mailbox
            self._reading = asyncio.get_running_loop().create_task(self._read(letter))

    async def _read(self, letter: Lettered) -> None:
        assert self._mail is not None
        kind, handler = self._mail
        try:
            await handler(decode_body(self.client.visible(letter.body), kind), letter)
        except Exception as error:
            log.warning("%s: a letter from %s failed: %r", self.client.name, letter.sender, error)
            log.debug("the handler raised", exc_info=True)
            self.client.mail_failed(letter, f"{type(error).__name__}: {error}")
        else:
            passing("recipient.handled")
            self.client.mail_done(letter)

    def _start(self, request: Incoming) -> None:
        key = (request.sender, request.id)
        self._requests[key] = request
        self._tasks[key] = asyncio.get_running_loop().create_task(self._handle(key, request))
        if request.deadline is not None and request.deadline < self._timer_at:
            self._arm(request.deadline)

    def _arm(self, at: float) -> None:
        # One timer for all requests: one each would cost as much as answering does, and hardly any ever fires.
        if self._timer:
            self._timer.cancel()
        self._timer_at, self._timer = at, asyncio.get_running_loop().call_at(at, self._expire)

    def _expire(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        now, earliest = asyncio.get_running_loop().time(), float("inf")
        for key, request in list(self._requests.items()):
            if request.deadline is None:
                continue
            if request.deadline > now:
                earliest = min(earliest, request.deadline)
                continue
            self.client.fail(request, TimedOut(f"{self.client.name} did not finish {request.method} in time"))
            self._give_up(key)
        if earliest < self._timer_at:
            self._arm(earliest)

    def _unwound(self, task: asyncio.Task[None]) -> None:
        self._unwinding.discard(task)
        self._next()

    def _next(self) -> None:
        if self._waiting and not self._stopping:
            self._start(self._waiting.pop(next(iter(self._waiting))))

    def _cancellation(self) -> RequestError:
        return Stopping(f"{self.client.name} is shutting down") if self._stopping else Cancelled("cancelled")

    async def _handle(self, key: tuple[str, bytes], request: Incoming) -> None:
        # The end is here and not in a callback of the task, which would cost each answer one more turn of the event loop.
        error: RequestError | None = None
        try:
            error = await self._outcome(key, request)
        finally:
            if self._requests.get(key) is request:  # else given up, and maybe asked again since
                if error is not None:
                    self.client.fail(request, error)
                del self._tasks[key], self._requests[key]
                self._next()

    async def _outcome(self, key: tuple[str, bytes], request: Incoming) -> RequestError | None:
        """Let the handler answer; returns why there is no answer."""
        client = self.client
        kind, handler = self._handlers.get(request.method, (Any, None))
        if handler is None:
            return Unsupported(f"{client.name} knows no method {request.method!r}")
        try:
            payload = decode_body(client.visible(request.body), kind)
        except BadMessage as error:
            return Refused(f"{request.method}: {error}")
        try:
            answer = await handler(payload, request)
            if self._requests.get(key) is request:
                client.reply(request, answer)
        except RequestError as error:
            return error
        except asyncio.CancelledError:
            return self._cancellation()
        except Exception as error:
            log.warning("%s: %s failed", client.name, request.method, exc_info=True)
            return RemoteError(f"{type(error).__name__}: {error}")
        return None
