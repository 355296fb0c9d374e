"""Plain functions in daemon threads: one that hangs cannot keep the process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


async def in_daemon_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own, with this context's variables; raises what it does."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def run() -> None:
        tell: Callable[[Any], None]
        answer: Any
        try:
            answer, tell = context.run(function), done.set_result
        except BaseException as error:
            answer, tell = _storable(error), done.set_exception
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda: None if done.done() else tell(answer))

    threading.Thread(target=run, name="asynctasq-task", daemon=True).start()
    return await done


def _storable(error: BaseException) -> BaseException:
    """A future takes no StopIteration, and a KeyboardInterrupt in it would end the loop."""
    if isinstance(error, StopIteration | KeyboardInterrupt):
        wrapped = RuntimeError(f"the task raised {type(error).__name__}")
        wrapped.__cause__ = error
        return wrapped
    return error
