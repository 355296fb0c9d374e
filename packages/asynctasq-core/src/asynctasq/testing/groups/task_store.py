"""Looking at single tasks and at listings of them."""

from __future__ import annotations

import time
from time import monotonic

import pytest

from asynctasq.driver import (
    Ack,
    Context,
    DeadLetter,
    Driver,
    Record,
    ResultStore,
    StoredTask,
    TaskRef,
    TaskState,
    TaskStore,
)
from asynctasq.errors import InvalidMessage
from asynctasq.testing._group import needs
from asynctasq.testing._outcomes import FAILURE, retry
from asynctasq.testing._rig import TICK, Rig
from asynctasq.testing._tasks import TaskGroup

HOUR = 3600.0
NEAR = 60.0
"""Seconds by which the clocks of backend and client may differ."""
HEADERS = {"correlation": "größe"}


@needs(TaskStore)
class Tasks(TaskGroup):
    """`TaskStore.get` and `TaskStore.list`."""

    async def test_a_dead_task_is_kept_whole(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        body = bytes(range(256))
        await rig.put(driver, [rig.message(queue, body, headers=HEADERS)])
        await driver.settle([retry(await rig.one(driver, queue))])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, FAILURE)])
        task = await tasks.get(held.ref)
        assert task is not None, "what failed for good is kept, for inspection and replay"
        assert (task.ref, task.state) == (held.ref, "dead")
        assert (task.body, dict(task.headers)) == (body, HEADERS), "its payload was destroyed"
        assert (task.attempt, task.deliveries) == (2, 2), "how often it ran is part of it"
        assert task.visibility_timeout == held.visibility_timeout
        assert task.failure == FAILURE, "a dead task is kept with its failure"
        assert self._recent(task.finished_at)

    @staticmethod
    def _recent(at: float | None) -> bool:
        return at is None or abs(at - time.time()) < NEAR

    async def test_each_state_is_told(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue, b"running", visibility_timeout=HOUR / 2)])
        running = (await rig.one(driver, queue)).ref
        delayed = await rig.put(
            driver, [rig.message(queue, delay=rig.long_delay(), headers=HEADERS)]
        )
        waiting = await rig.put(driver, [rig.message(queue, b"waiting", attempt=3)])
        refs: dict[TaskState, TaskRef] = {
            "running": running,
            "scheduled": delayed[0].ref,
            "pending": waiting[0].ref,
        }
        found: dict[TaskState, StoredTask] = {}
        for state, ref in refs.items():
            task = await tasks.get(ref)
            if task is not None:
                found[state] = task
                assert (task.ref, task.state) == (ref, state), f"{task.state}, expected {state}"
                assert self._recent(task.enqueued_at), "enqueued_at is in Unix seconds, or None"
                assert task.finished_at is None, "it has not ended"
        for state in refs:
            shows = await self._shows(tasks, state, queue)
            assert (state in found) == shows, f"get and list disagree on whether {state} is shown"
        self._due(rig, found)

    def _due(self, rig: Rig, found: dict[TaskState, StoredTask]) -> None:
        ends: dict[TaskState, float] = {"scheduled": rig.long_delay(), "running": HOUR / 2}
        for state, after in ends.items():
            due = found[state].due_at if state in found else None
            assert due is None or abs(due - time.time() - after) < NEAR, (
                "due_at: when it is due or, while it runs, when its lease ends"
            )
        if "pending" in found:
            assert (found["pending"].body, found["pending"].attempt) == (b"waiting", 3)
        if "scheduled" in found:
            assert dict(found["scheduled"].headers) == HEADERS

    async def test_the_last_failure_is_told_while_a_retry_waits(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([retry(held, rig.long_delay())])
        task = await tasks.get(held.ref)
        if await self._shows(tasks, "scheduled", queue):
            assert task is not None
            assert (task.state, task.attempt, task.failure) == ("scheduled", 2, FAILURE)

    async def test_what_is_not_kept_is_none(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([Ack(held)])
        assert await tasks.get(held.ref) is None, "keep_completed_tasks is off"
        assert await tasks.get(rig.message(queue).ref) is None, "never stored"

    async def test_completed_tasks_are_kept_where_asked(self, rig: Rig, queue: str) -> None:
        keeping = Context(keep_completed_tasks=True, completed_ttl=HOUR)
        driver = await rig.open(keeping)
        assert isinstance(driver, TaskStore)
        await rig.put(driver, [rig.message(queue, b"kept")])
        held = await rig.one(driver, queue)
        await driver.settle([Ack(held)])
        await rig.nothing(driver, queue, "a completed task is kept, not run again")
        if await self._shows(driver, "completed", queue):
            task = await driver.get(held.ref)
            assert task is not None, "keep_completed_tasks is on"
            assert (task.state, task.body) == ("completed", b"kept")
            assert self._recent(task.finished_at)
            assert await self._all(driver, "completed", queue, 10) == [held.ref]

    async def test_what_ended_is_kept_for_as_long_as_the_context_says(
        self, rig: Rig, queue: str
    ) -> None:
        ttl = self.lease
        brief = Context(keep_completed_tasks=True, completed_ttl=ttl, dead_ttl=ttl)
        driver = await rig.open(brief)
        assert isinstance(driver, TaskStore)
        await rig.put(driver, rig.messages(queue, 2))
        done, failed = await rig.take(driver, queue, 2)
        ends = monotonic() + ttl
        await driver.settle([Ack(done), DeadLetter(failed, FAILURE)])
        task = await driver.get(failed.ref)
        assert task is not None or monotonic() > ends - TICK, "it is kept at first"
        deadline = monotonic() + ttl + self.patience
        while monotonic() < deadline:
            await rig.nothing(driver, queue, "both have ended")
            if not await driver.get(done.ref) and not await driver.get(failed.ref):
                break
        assert await driver.get(done.ref) is None, "kept for longer than completed_ttl"
        assert await driver.get(failed.ref) is None, "kept for longer than dead_ttl"

    @needs(ResultStore)
    async def test_the_record_of_a_dead_task_is_kept_as_long_as_the_task(
        self, rig: Rig, queue: str
    ) -> None:
        driver = await rig.open(Context(dead_ttl=self.lease))
        assert isinstance(driver, ResultStore)
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        ends = monotonic() + self.lease
        await driver.settle([DeadLetter(held, FAILURE, Record(held.ref, "dead", FAILURE, None))])
        record = await driver.result(held.ref, 0.0)
        assert record is not None or monotonic() > ends - TICK, "it can be read at first"
        deadline = monotonic() + self.lease + self.patience
        while await driver.result(held.ref, 0.0) is not None and monotonic() < deadline:
            await rig.nothing(driver, queue, "the task is dead")
        assert await driver.result(held.ref, 0.0) is None, "the dead task is gone, its record not"

    async def test_a_listing_gives_each_task_once(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        refs = await self._bury(rig, driver, queue, 11)
        await self._bury(rig, driver, rig.queue(), 2)
        await rig.put(driver, rig.messages(queue, 3))
        for limit in (1, 4, 11, 100):
            listed = await self._all(tasks, "dead", queue, limit)
            assert sorted(listed) == sorted(refs), f"in pages of {limit}: each in exactly one"

    async def test_a_listing_of_all_queues_has_each_of_them(
        self, rig: Rig, driver: Driver, tasks: TaskStore
    ) -> None:
        refs = [ref for queue in rig.queues(3) for ref in await self._bury(rig, driver, queue, 2)]
        listed = await self._all(tasks, "dead", None, 100)
        assert len(listed) == len(set(listed)), "a task is in one page"
        assert set(refs) <= set(listed), "queue=None lists all queues"

    async def test_each_state_has_its_listing(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 3))
        held = await rig.one(driver, queue)
        await rig.put(driver, [rig.message(queue, delay=rig.long_delay())])
        (buried,) = await self._bury(rig, driver, other := rig.queue(), 1)
        counts: dict[TaskState, int] = {
            "pending": 2,
            "running": 1,
            "scheduled": 1,
            "completed": 0,
        }
        for state, count in counts.items():
            if await self._shows(tasks, state, queue):
                assert len(await self._all(tasks, state, queue, 10)) == count, state
        assert await self._all(tasks, "dead", queue, 10) == []
        assert await self._all(tasks, "dead", other, 10) == [buried]
        assert (await driver.settle([Ack(held)])).lost == (), "looking changed something"

    async def test_what_keeps_its_state_is_in_one_page_though_others_come_and_go(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        refs = await self._bury(rig, driver, queue, 9)
        first = await tasks.list("dead", queue, 3)
        gone = [task.ref for task in first.tasks][:2]
        await tasks.delete(gone)
        new = await self._bury(rig, driver, queue, 4)
        seen = [task.ref for task in first.tasks]
        cursor = first.cursor
        while cursor is not None:
            page = await tasks.list("dead", queue, 3, cursor)
            seen += [task.ref for task in page.tasks]
            cursor = page.cursor
        assert len(seen) == len(set(seen)), "a task came in two pages"
        assert set(refs) <= set(seen) <= {*refs, *new}, "a task that kept its state was passed over"

    async def test_one_call_looks_at_no_more_than_the_scan_limit(
        self, rig: Rig, queue: str
    ) -> None:
        driver = await rig.open(Context(task_scan_limit=4))
        assert isinstance(driver, TaskStore)
        refs = await self._bury(rig, driver, queue, 10)
        page = await driver.list("dead", queue, 100)
        assert len(page.tasks) <= 4, f"task_scan_limit=4, and {len(page.tasks)} were looked at"
        assert page.cursor is not None, "there is more: a page that was cut has a cursor"
        assert sorted(await self._all(driver, "dead", queue, 100)) == sorted(refs)

    @pytest.mark.parametrize("cursor", ["", "nonsense", "-1", "{}", "' OR 1=1 --", "\x00", "½"])
    async def test_a_foreign_cursor_is_refused(
        self, tasks: TaskStore, queue: str, cursor: str
    ) -> None:
        with pytest.raises(InvalidMessage):
            await tasks.list("dead", queue, 10, cursor)
