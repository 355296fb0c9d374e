"""Event loops that know where each of their tasks suspends, and end the process at a chosen place.

A place is the chain of awaits, from the task's own coroutine down to what it waits for, of which
those in this project's packages are kept; an await is named by module, line and column.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Coroutine, Generator
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

Place: TypeAlias = tuple[str, ...]


class Point(NamedTuple):
    """Where a process is to die."""

    place: Place
    moment: str
    """``suspends``: what it waits for has only been asked for. ``resumes``: it is there."""
    time: int
    """1: when that happens first."""


class Suspensions:
    """Counts them, on all loops that are made here."""

    def __init__(self, deadly: Point | None = None) -> None:
        self.counts: Counter[Place] = Counter()
        self._deadly = deadly

    def new_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        loop.set_task_factory(self._watched)
        return loop

    def _watched(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(_Watched(coroutine, self), loop=loop, **options)

    def suspends(self, place: Place) -> Point:
        self.counts[place] += 1
        self._reached(Point(place, "suspends", self.counts[place]))
        return Point(place, "resumes", self.counts[place])

    def _reached(self, point: Point) -> None:
        if point == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    resumes = _reached


class _Watched(Coroutine[Any, Any, Any]):
    """A coroutine that tells where it suspends, and when it goes on there."""

    def __init__(self, inner: Any, suspensions: Suspensions) -> None:
        self._inner = inner
        self._suspensions = suspensions
        self._next: Point | None = None

    def send(self, value: Any) -> Any:
        self._goes_on()
        return self._suspended(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        self._goes_on()
        return self._suspended(self._inner.throw(*error))

    def _goes_on(self) -> None:
        if self._next is not None:
            self._suspensions.resumes(self._next)

    def _suspended(self, waits_for: object) -> object:
        self._next = self._suspensions.suspends(place_of(self._inner))
        return waits_for

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()  # type: ignore[no-any-return]


def place_of(coroutine: Any) -> Place:
    """Where a suspended coroutine is."""
    found: list[str] = []
    while (frame := _frame_of(coroutine)) is not None:
        if frame.f_globals["__name__"].startswith(("asynctasq.", "asynctasq_drivers.")):
            found.append(_await_in(frame))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return tuple(found)


def _frame_of(coroutine: Any) -> FrameType | None:
    return getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)


def _await_in(frame: FrameType) -> str:
    line, _, column, _ = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    return f"{frame.f_globals['__name__']}:{line}:{column}"
