"""Death at any await: an event loop that stops for ever when something on it suspends.

To the backend this is a process that died there: its connections are cut, and not one more line
of the driver runs, no ``finally`` either, until the test has seen what the backend holds.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, TypeVar

from asynctasq.driver import Driver

T = TypeVar("T")

_TURNS = 200
"""Of a loop, in which what ends may still begin something: a tenth of that where it does."""
_END_WITHIN = 10.0
"""Seconds for a driver to close; what is cancelled before leaves its sockets open."""
MANY = 200
"""Suspensions after which a call is taken to have no end."""


class _Selector(selectors.DefaultSelector):
    """Counts how often its loop had nothing to do but wait."""

    waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self.waits += 1
        return super().select(timeout)


class DoomedLoop:
    """A loop on which every coroutine is counted, and which can be told when to die."""

    def __init__(self) -> None:
        self._selector = _Selector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._own = self._registered()
        self._loop.set_task_factory(self._counted)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._left: int | None = None
        self.dead = False
        self.suspensions = 0

    @property
    def waits(self) -> int:
        """How often it waited for the outside: about one for each round trip in sequence."""
        return self._selector.waits

    @property
    def handles(self) -> int:
        """Sockets and the like that are registered with it, beside its own."""
        return len(self._registered() - self._own)

    @property
    def tasks(self) -> int:
        """Tasks that are not done."""
        return len(self._tasks)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to the end, as any loop does."""
        return self._loop.run_until_complete(coroutine)

    def run_until_death(self, coroutine: Coroutine[Any, Any, Any], after: int) -> bool:
        """Run until something suspends for the ``after`` + 1st time. False: it ended before."""

        def stop(_: object) -> None:
            self._loop.stop()

        task = self._loop.create_task(coroutine)
        task.add_done_callback(stop)
        self._left = after
        self._loop.run_forever()
        self._left = None
        task.remove_done_callback(stop)
        if self.dead:
            self._cut()
        else:
            task.result()
        return self.dead

    def bury(self, driver: Driver) -> None:
        """Clean up, once nobody looks any more."""
        self.dead = False
        self.run(_end_all(driver))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def suspended(self, waits_for: object) -> object:
        """What a task that suspends waits for: for ever, once the loop is to die."""
        self.suspensions += 1
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self.dead = True
                self._loop.stop()
        return self.never() if self.dead else waits_for

    def never(self) -> object:
        """What a task waits for that shall not go on."""
        return next(self._loop.create_future().__await__())

    def _counted(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(_Counted(coroutine, self), loop=loop, **options)
        # Collected as garbage, a task that stands still would run its ``finally`` blocks.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _registered(self) -> set[int]:
        return {key.fd for key in self._selector.get_map().values()}

    def _cut(self) -> None:
        for descriptor in self._registered() - self._own:
            # Not every descriptor is a socket. Closing the driver's own would free its number for
            # another one, which the driver would then close in its turn: so a copy is shut down.
            with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
                copy.shutdown(socket.SHUT_RDWR)


class _Counted(Coroutine[Any, Any, T]):
    """A coroutine that tells its loop when it suspends, and stands still once that is dead."""

    def __init__(self, inner: Coroutine[Any, Any, T], loop: DoomedLoop) -> None:
        self._inner = inner
        self._loop = loop

    def send(self, value: Any) -> Any:
        return self._step(lambda: self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._step(lambda: self._inner.throw(*error))

    def _step(self, step: Callable[[], object]) -> object:
        return self._loop.never() if self._loop.dead else self._loop.suspended(step())

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._inner.__await__()


async def _end_all(driver: Driver) -> None:
    """What stands still, then the driver; last, what that has left to wait for the dead."""
    ended = _cancel_others()
    closing = asyncio.ensure_future(driver.close())
    ended.add(closing)
    await asyncio.wait(ended, timeout=_END_WITHIN)
    turns_left = _TURNS
    while turns_left > 0:
        left = _cancel_others()
        ended |= left
        turns_left = turns_left - 10 if left else turns_left - 1
        await (asyncio.wait(left, timeout=0.2) if left else asyncio.sleep(0))
    # How the dead end is no business of the test; asked for, it is not logged as forgotten.
    for task in ended:
        if task.done() and not task.cancelled():
            task.exception()


def _cancel_others() -> set[asyncio.Future[Any]]:
    this = asyncio.current_task()
    others: set[asyncio.Future[Any]] = {task for task in asyncio.all_tasks() if task is not this}
    for task in others:
        task.cancel()
    return others
