"""What ``dispatch()`` gives back: a task's address, and the way to its result."""

from __future__ import annotations

import asyncio
import time
from typing import Generic, TypeVar
from uuid import UUID

from asynctasq.driver import Failure, Record, ResultStore, TaskRef
from asynctasq.errors import (
    DriverUnavailable,
    OutcomeUnknown,
    ResultTimeout,
    ResultUnavailable,
    TaskFailed,
)
from asynctasq.tasks import _client
from asynctasq.tasks._definition import Definition
from asynctasq.tasks._portal import run_sync

R = TypeVar("R")
_ONE_WAIT = 60.0
"""Seconds of one call to the store; a longer wait is several of them."""
_PAUSE = 0.2
"""Seconds until a store that could not be reached is asked again."""


class TaskHandle(Generic[R]):
    """A dispatched task. ``str(handle)`` is its id."""

    __slots__ = ("_definition", "_driver", "_stored", "ref")

    def __init__(self, ref: TaskRef, definition: Definition[R], driver: str, stored: bool) -> None:
        self.ref: TaskRef = ref
        self._definition = definition
        self._driver = driver
        self._stored = stored

    @property
    def id(self) -> UUID:
        """The task's id."""
        return self.ref.id

    @property
    def queue(self) -> str:
        """The queue it was sent to."""
        return self.ref.queue

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the task to end, and return what it returned.

        Raises `ResultTimeout` after ``timeout`` seconds (None: never), `TaskFailed` if the task is
        dead, `ResultUnavailable` if its result is not stored. A result is kept for ``result_ttl``
        seconds; after that this waits in vain.
        """
        store = await self._store()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _ONE_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            if record := await _look(store, self.ref, min(left, _ONE_WAIT)):
                return self._read(record)
            if deadline is not None and time.monotonic() >= deadline:
                raise ResultTimeout(f"task {self} had no result within {timeout} s")

    def result_sync(self, timeout: float | None = None) -> R:
        """`result` from code without an event loop, and from threads."""
        return run_sync(self.result(timeout), "result")

    async def _store(self) -> ResultStore:
        if not self._stored:
            raise ResultUnavailable(f"task {self} was dispatched with store_result off")
        return await (await _client.current_client()).result_store(self._driver)

    def _read(self, record: Record) -> R:
        if isinstance(record.value, bytes):
            return self._definition.read_result(record.value)
        failure: Failure = record.value
        if record.state == "dead":
            raise TaskFailed(failure.type, failure.text, failure.traceback)
        raise ResultUnavailable(f"task {self} is completed, but {failure.text}")

    def __str__(self) -> str:
        return str(self.ref.id)

    def __repr__(self) -> str:
        return f"<task {self._definition.name!r} {self.ref.id} on queue {self.ref.queue!r}>"


async def _look(store: ResultStore, ref: TaskRef, seconds: float) -> Record | None:
    try:
        return await store.result(ref, seconds)
    except (DriverUnavailable, OutcomeUnknown):  # asking again changes nothing
        await asyncio.sleep(min(_PAUSE, seconds))
        return None
