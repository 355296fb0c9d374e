"""Drivers that keep records, and listings, badly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import structs

from asynctasq.driver import (
    Ack,
    DeadLetter,
    Outcome,
    Record,
    Settled,
    StoredTask,
    TaskPage,
    TaskRef,
    TaskState,
)
from asynctasq.memory import MemoryDriver


class RecordsInASecondStep(MemoryDriver):
    """The outcome, an await, then the record."""

    caught_by = "Crashes"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        ends = [outcome for outcome in outcomes if isinstance(outcome, Ack | DeadLetter)]
        settled = await super().settle(
            [structs.replace(o, record=None) if o in ends else o for o in outcomes]
        )
        await asyncio.sleep(0)
        records = [end.record for end in ends if end.delivery not in settled.lost]
        await self.store([record for record in records if record is not None])
        return settled


class RecordsLostRuns(MemoryDriver):
    """A record is stored before the receipt is looked at."""

    caught_by = "Results"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        ends = [outcome for outcome in outcomes if isinstance(outcome, Ack | DeadLetter)]
        await self.store([end.record for end in ends if end.record is not None])
        return await super().settle(outcomes)


class KeepsRecordsForEver(MemoryDriver):
    """A record without a retention."""

    caught_by = "Results"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        return await super().settle(
            [
                structs.replace(o, record=structs.replace(o.record, keep_for=None))
                if isinstance(o, Ack | DeadLetter) and o.record is not None
                else o
                for o in outcomes
            ]
        )


class KeepsRecordsOfReplayed(MemoryDriver):
    """A task that runs again still has the result of its death."""

    caught_by = "Replay"

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        records = [await self.result(ref, 0.0) for ref in refs]
        retried = await super().retry_dead(refs)
        await self.store([record for record in records if record is not None])
        return retried


class LeavesTheRecord(MemoryDriver):
    """A task is removed, and its result is not."""

    caught_by = "Deletion"

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        records = [await self.result(ref, 0.0) for ref in refs]
        removed = await super().delete(refs)
        await self.store([record for record in records if record is not None])
        return removed


class PagesByOffset(MemoryDriver):
    """What is removed from a page shifts the next one, and a task is passed over."""

    caught_by = "Tasks"

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        await super().list(status, queue, 1, cursor)  # refuses what is no cursor
        found: list[StoredTask] = []
        after: str | None = None
        while True:
            page = await super().list(status, queue, 1000, after)
            found += page.tasks
            if (after := page.cursor) is None:
                break
        start = int(cursor or 0)
        more = str(start + limit) if len(found) > start + limit else None
        return TaskPage(tuple(found[start : start + limit]), more)


class ScansWithoutALimit(MemoryDriver):
    """One listing looks at everything there is."""

    caught_by = "Tasks"

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        page = await super().list(status, queue, limit, cursor)
        while page.cursor is not None and len(page.tasks) < limit:
            more = await super().list(status, queue, limit - len(page.tasks), page.cursor)
            page = TaskPage((*page.tasks, *more.tasks), more.cursor)
        return page


class ForgetsTheFailure(MemoryDriver):
    """A dead task does not say why."""

    caught_by = "Tasks"

    async def get(self, ref: TaskRef) -> StoredTask | None:
        task = await super().get(ref)
        return None if task is None else structs.replace(task, failure=None)


class TakesAnyCursor(MemoryDriver):
    """What is no cursor begins from the start."""

    caught_by = "Tasks"

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        known = cursor if cursor and cursor.isdecimal() else None
        return await super().list(status, queue, limit, known)


class KeepsRecordsByIdAlone(MemoryDriver):
    """A record is found under any queue."""

    caught_by = "Results"

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        if (record := await super().result(ref, wait)) is None:
            found = (r for known, r in self._store.records.items() if known.id == ref.id)
            record = next(found, None)
        return record


class AddsRecordsOnce(MemoryDriver):
    """A record that is there already stays as it is."""

    caught_by = "Results"

    async def store(self, records: Sequence[Record]) -> None:
        await super().store([r for r in records if await self.result(r.ref, 0.0) is None])
