"""Single tasks and their records: looked at, replayed, deleted, swept once their time is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final
from uuid import UUID

from asynctasq.driver import Record, StoredTask, TaskPage, TaskRef, TaskState
from asynctasq.errors import InvalidMessage
from asynctasq_drivers.postgres import _rows
from asynctasq_drivers.postgres._lifecycle import Lifecycle
from asynctasq_drivers.postgres._wakes import told, word_of

LOOK_AGAIN: Final = 5.0
"""Seconds after which who waits for a result looks again, although nobody told it to."""
SHORTEST_POLL: Final = 0.02
LONGEST_POLL: Final = 0.5
"""Seconds from look to look for a result, where nobody can be told."""
_FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=2**128 - 1)
_LAST_QUEUE: Final = "~"
"""Behind all names."""


class PostgresTasks(Lifecycle):
    """`TaskStore` and `ResultStore`."""

    async def get(self, ref: TaskRef) -> StoredTask | None:
        rows = await self._send(self._running().get, ref.queue, ref.id)
        return _rows.stored_task(rows[0]) if rows else None

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        self._running()
        start = _place(cursor) if cursor is not None else (queue or "", _FIRST)
        table = status if status in ("dead", "completed") else "queue"
        end, most = queue or _LAST_QUEUE, self._context.task_scan_limit
        seen = await self._send(self._running().scan[table], *start, end, most)
        if not seen:
            return TaskPage(())
        *last, count = seen[0]
        of_state = (status,) if table == "queue" else ()
        rows = await self._send(self._running().list[table], *start, *last, *of_state, limit)
        tasks = tuple(_rows.stored_task(row) for row in rows)
        if len(rows) == limit:
            return TaskPage(tasks, _after(tasks[-1].ref))
        return TaskPage(tasks, _after(TaskRef(*last)) if count == most else None)

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        risen = _rows.refs(await self._send(self._running().retry_dead, *_rows.ref_columns(refs)))
        self._announce(ref.queue for ref in risen)
        return risen

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return _rows.refs(await self._send(self._running().delete, *_rows.ref_columns(refs)))

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        self._running()
        deadline, poll = monotonic() + wait, SHORTEST_POLL
        listens = not self._options.postgres_pgbouncer
        with self._wakes.waiting([word_of(ref.id)]) as event:
            while not self._closed:
                event.clear()
                heard = self._wakes.hears_results
                rows = await self._send(self._sql.result, ref.queue, ref.id)
                left = deadline - monotonic()
                if rows:
                    return _rows.record(ref, rows[0])
                if left <= 0:
                    return None
                if listens and not heard and await self._wakes.hears(results=True):
                    continue  # what came before that, nobody was told of
                await told(event, min(left, LOOK_AGAIN if self._wakes.hears_results else poll))
                poll = min(1.5 * poll, LONGEST_POLL)
        return None

    async def store(self, records: Sequence[Record]) -> None:
        sql = self._running()
        last = {record.ref: record for record in records}  # of one twice, the last
        rows = [_rows.record_row(record, None) for record in last.values()]
        if rows:
            columns = (list(column) for column in zip(*rows, strict=True))
            await self._send(sql.store, *_rows.ref_columns(last), *columns)
            self._announce_results(ref.id for ref in last)

    def _announce_results(self, ids: Iterable[UUID]) -> None:
        """These tasks have ended: tell whoever waits for it."""
        ended = tuple(ids)
        self._wakes.tell(map(word_of, ended))
        self._results_news.add(ended)


def _after(ref: TaskRef) -> str:
    """The place behind a task, as a cursor."""
    if ref.id == _LAST:  # a name with a space behind it comes before all longer ones
        return f"{_FIRST.hex}.{ref.queue} "
    return f"{UUID(int=ref.id.int + 1).hex}.{ref.queue}"


def _place(cursor: str) -> tuple[str, UUID]:
    """The queue and id with which a listing goes on."""
    number, dot, queue = cursor.partition(".")
    try:
        if dot and queue.isascii() and queue.isprintable():
            return queue, UUID(hex=number)
    except ValueError:
        pass
    raise InvalidMessage(f"cursor {cursor[:200]!r}: expected one that this driver's list() gave")
