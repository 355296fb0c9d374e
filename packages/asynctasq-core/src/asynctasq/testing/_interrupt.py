"""Cancellation at any await of a call: while it waits there, and just when its answer has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

from asynctasq.testing._doomed import MANY

T = TypeVar("T")


class Interrupted(NamedTuple, Generic[T]):
    """How a call went that was to be cancelled."""

    answer: T | None
    """What it answered all the same; None: it was cancelled."""
    reached: bool
    """Whether it suspended often enough to be cancelled at all."""


class _CancelledAt(Coroutine[Any, Any, T]):
    """A coroutine whose task is cancelled when it suspends for the ``after`` + 1st time.

    Late: not then, but when what it waits for is there, and before it can look at it.
    """

    def __init__(self, inner: Coroutine[Any, Any, T], after: int, late: bool) -> None:
        self._inner = inner
        self._left = after
        self._late = late
        self.reached = False

    def send(self, value: Any) -> Any:
        return self._suspended(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._suspended(self._inner.throw(*error))

    def _suspended(self, waits_for: object) -> object:
        self._left -= 1
        if self._left < 0 and not self.reached:
            self.reached = True
            self._cancel(waits_for)
        return waits_for

    def _cancel(self, waits_for: object) -> None:
        task = asyncio.current_task()
        assert task is not None

        def cancel(_: object) -> None:
            task.cancel()

        when_done: Callable[..., None] | None = getattr(waits_for, "add_done_callback", None)
        if self._late and when_done is not None:
            when_done(cancel)  # before the task's own call-back, so the cancellation comes first
        else:
            task.cancel()

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._inner.__await__()


async def interrupt(
    coroutine: Coroutine[Any, Any, T], after: int, *, late: bool = False
) -> Interrupted[T]:
    """Start a call and cancel it at its ``after`` + 1st suspension."""
    call = _CancelledAt(coroutine, after, late)
    task = asyncio.create_task(call)
    await asyncio.wait((task,))
    return Interrupted(None if task.cancelled() else task.result(), call.reached)


async def interrupted_everywhere(
    call: Callable[[], Coroutine[Any, Any, T]],
) -> AsyncIterator[T | None]:
    """Cancel a call at its first suspension, make it anew for the second, until one gets through.

    Gives what each answered; None: it was cancelled.
    """
    for late in (False, True):
        for after in range(MANY):
            outcome = await interrupt(call(), after, late=late)
            yield outcome.answer
            if not outcome.reached:
                break
