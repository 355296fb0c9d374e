"""Plain functions in daemon threads: one that hangs cannot keep the process from ending.

The threads of `concurrent.futures` would: the interpreter waits for them when it exits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
_Work: TypeAlias = "tuple[Context, Callable[[], Any], asyncio.Future[Any]] | None"


class DaemonThreads:
    """As many threads as functions run at once; those that are idle are used again.

    Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: list[SimpleQueue[_Work]] = []
        self._closed = False

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread, with this context's variables; raises what it does."""
        done: asyncio.Future[T] = self._loop.create_future()
        desk = self._idle.pop() if self._idle else self._start()
        desk.put((copy_context(), function, done))
        # Who is cancelled stops waiting; the thread is idle when it is, not before.
        return await done

    def close(self) -> None:
        """Let the threads end, each as soon as it is idle."""
        self._closed = True
        while self._idle:
            self._idle.pop().put(None)

    def _start(self) -> SimpleQueue[_Work]:
        desk: SimpleQueue[_Work] = SimpleQueue()
        threading.Thread(
            target=self._serve, args=(desk,), name="asynctasq-task", daemon=True
        ).start()
        return desk

    def _serve(self, desk: SimpleQueue[_Work]) -> None:
        """A thread's life."""
        while (work := desk.get()) is not None:
            context, function, done = work
            answer, error = _outcome(context, function)
            del work, context, function  # held here, they would live until the next one
            try:
                self._loop.call_soon_threadsafe(self._end, desk, done, answer, error)
            except RuntimeError:  # the loop was closed meanwhile
                return
            del done, answer, error

    def _end(
        self,
        desk: SimpleQueue[_Work],
        done: asyncio.Future[Any],
        answer: Any,
        error: BaseException | None,
    ) -> None:
        """On the loop: the thread is idle, and whoever waits is told."""
        if self._closed:
            desk.put(None)
        else:
            self._idle.append(desk)
        if done.done():
            return
        if error is None:
            done.set_result(answer)
        else:
            done.set_exception(error)


def _outcome(context: Context, function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return context.run(function), None
    except BaseException as error:
        return None, _storable(error)


def _storable(error: BaseException) -> BaseException:
    """A future takes no StopIteration, and a KeyboardInterrupt in it would end the loop."""
    if isinstance(error, StopIteration | KeyboardInterrupt):
        wrapped = RuntimeError(f"the task raised {type(error).__name__}")
        wrapped.__cause__ = error
        return wrapped
    return error
