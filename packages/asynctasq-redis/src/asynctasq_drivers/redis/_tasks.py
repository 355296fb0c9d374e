"""Single tasks and their records: the two optional protocols about looking at them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

from asynctasq.driver import Record, StoredTask, TaskPage, TaskRef, TaskState
from asynctasq.errors import DriverClosed, InvalidMessage
from asynctasq_drivers.redis import _rows
from asynctasq_drivers.redis._keys import QUEUES, keys_of
from asynctasq_drivers.redis._lifecycle import Lifecycle, command
from asynctasq_drivers.redis._scripts import Script, run
from asynctasq_drivers.redis._servers import Servers
from asynctasq_drivers.redis._wakes import LOOK_AGAIN

ASK_AGAIN: Final = 30.0
"""Seconds after which who waits for a record asks again, in case that a wake was lost."""

_GET: Final = Script("get", "_tasks")
_LIST: Final = Script("list", "_tasks")
_RETRY_DEAD: Final = Script("retry_dead", "_tasks")
_DELETE: Final = Script("delete", "_tasks")
_RESULT: Final = Script("result")
_STORE: Final = Script("store")

_PLACES: Final[dict[TaskState, tuple[str, ...]]] = {
    "pending": ("processing", "delayed", "ready"),
    "scheduled": ("delayed",),
    "running": ("processing",),
    "dead": ("dead",),
    "completed": ("completed",),
}
"""Where the tasks of a state may stand."""

_CURSOR: Final = re.compile(r"(\d{1,16})/([0-9a-f-]*)/(\d)/([A-Za-z0-9][A-Za-z0-9_.:-]{0,127})")


class _At(NamedTuple):
    """Where a listing goes on: behind a time and an id, in one place of one queue."""

    time: int
    id: str
    place: int
    queue: str

    def __str__(self) -> str:
        return f"{self.time}/{self.id}/{self.place}/{self.queue}"


class RedisTasks(Lifecycle):
    """`TaskStore` and `ResultStore`."""

    @property
    def _splits(self) -> bool:
        return self._servers is not None and self._servers.splits

    def _running_or_closing(self) -> Servers:
        """For what `close` waits for."""
        if self._servers is None:
            raise DriverClosed("this redis driver is new: open() it first")
        return self._servers

    async def _queues(self) -> list[str]:
        names = await command(self._running(), "SMEMBERS", QUEUES)
        return sorted(name.decode() for name in names)

    async def get(self, ref: TaskRef) -> StoredTask | None:
        row = await run(self._running(), _GET, keys_of(ref.queue).all, str(ref.id))
        return None if row is None else _rows.stored_task(ref.queue, row)

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        servers = self._running()
        start = _place(cursor)
        queues = await self._queues() if queue is None else [queue]
        found: list[StoredTask] = []
        left = self._context.task_scan_limit
        for at in _stops(queues, status, start):
            wanted = min(limit - len(found), left)
            words = (status, _PLACES[status][at.place], at.time, at.id, wanted)
            rows = await run(servers, _LIST, keys_of(at.queue).all, *words)
            found += [_rows.stored_task(at.queue, row) for row in rows]
            left -= len(rows)
            if len(rows) == wanted:
                last = _At(int(rows[-1][5]), rows[-1][0].decode(), at.place, at.queue)
                return TaskPage(tuple(found), str(last))
        return TaskPage(tuple(found))

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return await self._changed(_RETRY_DEAD, refs)

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return await self._changed(_DELETE, refs)

    async def _changed(self, script: Script, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        servers = self._running()
        done: set[TaskRef] = set()
        for queue in dict.fromkeys(ref.queue for ref in refs):
            keys = keys_of(queue)
            some = [ref for ref in dict.fromkeys(refs) if ref.queue == queue]
            ids = [ref.id for ref in some]
            names = (*keys.all, *map(keys.result, ids))
            numbers: list[int] = await run(servers, script, names, _rows.pack(ids), ids=ids)
            done.update(some[number - 1] for number in numbers)
        return tuple(ref for ref in dict.fromkeys(refs) if ref in done)

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        servers, keys = self._running(), keys_of(ref.queue)
        names, deadline = (*keys.all, keys.result(ref.id)), monotonic() + wait
        with self._wakes.waiter() as waiter:
            while True:
                left = deadline - monotonic()
                heard = left > 0 and await self._wakes.listen()
                waiter.looks()
                token = waiter.token if left > 0 else ""
                stored = await run(servers, _RESULT, names, str(ref.id), token, max(left, 1) + 60)
                if stored is not None:
                    return _rows.record(ref, stored)
                if left > 0:
                    await waiter.wait(min(left, ASK_AGAIN if heard else LOOK_AGAIN))
                if left <= 0 or self._closed:
                    return None

    async def store(self, records: Sequence[Record]) -> None:
        servers = self._running()
        calls: list[Coroutine[Any, Any, Any]] = []
        for queue in dict.fromkeys(record.ref.queue for record in records):
            some = {record.ref.id: record for record in records if record.ref.queue == queue}
            rows = [(id, _rows.milliseconds(record.keep_for)) for id, record in some.items()]
            keys = keys_of(queue)
            names = (*keys.all, *map(keys.result, some))
            words = (_rows.pack(rows), *map(_rows.record_row, some.values()))
            calls.append(run(servers, _STORE, names, *words, ids=list(some)))
        await asyncio.gather(*calls)


def _place(cursor: str | None) -> _At | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None or int(match[3]) > 2:
        raise InvalidMessage(
            f"cursor {cursor[:200]!r}: expected one that this driver's list() gave"
        )
    return _At(int(match[1]), match[2], int(match[3]), match[4])


def _stops(queues: Sequence[str], status: TaskState, start: _At | None) -> list[_At]:
    """Where to look, one after the other."""
    stops = [_At(0, "", p, queue) for queue in queues for p in range(len(_PLACES[status]))]
    if start is None:
        return stops
    later = [stop for stop in stops if (stop.queue, stop.place) > (start.queue, start.place)]
    return [start, *later] if start.queue in queues else later
