"""Plain functions on threads of their own.

The threads are daemons: a function that never returns cannot keep a process from ending, as a pool's thread would. Whoever
calls bounds how many run at once (an actor by its `concurrency`).
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `function` on a new thread; returns or raises what it does. Cancelled, the thread runs on unheard."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def tell(result: Any, error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            if not loop.is_closed():  # a closed loop has nobody left who waits
                raise

    def run() -> None:
        try:
            result = context.run(function, *args, **kwargs)
        except StopIteration as error:  # a future refuses this one
            tell(None, RuntimeError(f"StopIteration: {error}"))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            tell(None, error)
        else:
            tell(result, None)

    name = getattr(function, "__name__", type(function).__name__)
    threading.Thread(target=run, name=f"rostra-{name}", daemon=True).start()
    return await future
