"""What is told of a task follows what happens to it, in every state and whatever its queue."""

from __future__ import annotations

import time
from time import monotonic

from asynctasq.driver import (
    Ack,
    Context,
    Driver,
    Record,
    Release,
    ResultStore,
    TaskRef,
    TaskState,
    TaskStore,
)
from asynctasq.testing._group import needs
from asynctasq.testing._outcomes import retry
from asynctasq.testing._rig import Rig
from asynctasq.testing._tasks import TaskGroup

HOUR = 3600.0
NEAR = 60.0
"""Seconds by which the clocks of backend and client may differ."""
TICK = 0.05
"""Seconds by which two clocks may differ about when something happened."""


@needs(TaskStore)
class TaskStates(TaskGroup):
    """`TaskStore` while tasks go from state to state; states it cannot look at are left out."""

    async def test_a_long_delay_of_what_is_given_back_is_kept(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        if not await self._shows(tasks, "scheduled", queue):
            return
        delay = rig.long_delay()
        await rig.put(driver, rig.messages(queue, 2))
        failed, unrun = await rig.take(driver, queue, 2)
        await driver.settle([retry(failed, delay), Release(unrun, delay)])
        for ref in (failed.ref, unrun.ref):
            task = await tasks.get(ref)
            assert task is not None
            assert task.state == "scheduled", "given back with a delay: it is not due yet"
            assert task.due_at is None or abs(task.due_at - time.time() - delay) < NEAR, (
                f"given back for {delay} s, it is due in {task.due_at - time.time():.0f} s"
            )

    async def test_a_renewed_lease_is_told(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        before = await tasks.get(held.ref)
        if before is None or before.due_at is None or driver.capabilities.lease == "connection":
            return
        passed = max(4 * TICK, 2 * self.quiet)
        await rig.nothing(driver, queue, "it is running", wait=passed)
        await driver.extend([held])
        after = await tasks.get(held.ref)
        assert after is not None
        assert after.due_at is not None
        assert after.due_at - before.due_at > passed - TICK, (
            "due_at of a running task is when its lease ends: renewing it moves that"
        )

    async def test_a_delayed_task_that_is_due_is_pending(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        if not await self._shows(tasks, "pending", queue):
            return
        (message,) = await rig.put(driver, [rig.message(queue, delay=self.quiet)])
        deadline = monotonic() + self.quiet + driver.capabilities.delay_resolution + self.patience
        while not await self._all(tasks, "pending", queue, 10) and monotonic() < deadline:
            await rig.nothing(driver, rig.queue(), "nothing was sent there")
        assert await self._all(tasks, "pending", queue, 10) == [message.ref], "it is due"
        task = await tasks.get(message.ref)
        assert (task and task.state) == "pending", "get and list disagree"

    async def test_each_state_can_be_listed_over_all_queues(
        self, rig: Rig, driver: Driver, tasks: TaskStore
    ) -> None:
        refs: dict[TaskState, list[TaskRef]] = {"pending": [], "running": [], "scheduled": []}
        for queue in rig.queues(2):
            await rig.put(driver, [rig.message(queue)])
            refs["running"].append((await rig.one(driver, queue)).ref)
            refs["dead"] = [*refs.get("dead", ()), *await self._bury(rig, driver, queue, 1)]
            later = await rig.put(driver, [rig.message(queue, delay=rig.long_delay())])
            refs["scheduled"].append(later[0].ref)
            refs["pending"] += [m.ref for m in await rig.put(driver, [rig.message(queue)])]
        for state, mine in refs.items():
            if await self._shows(tasks, state, mine[0].queue):
                listed = await self._all(tasks, state, None, 1000)
                assert set(mine) <= set(listed), f"queue=None lists {state} tasks of all queues"

    async def test_the_same_id_in_another_queue_is_another_task(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        (buried,) = await self._bury(rig, driver, queue, 1)
        elsewhere = TaskRef(rig.queue(), buried.id)
        assert await tasks.get(elsewhere) is None, "an address is a queue and an id"
        assert tuple(await tasks.retry_dead([elsewhere])) == ()
        assert tuple(await tasks.delete([elsewhere])) == ()
        task = await tasks.get(buried)
        assert (task and task.state) == "dead", "another queue's task was replayed or removed"

    async def test_the_id_of_a_completed_task_that_is_kept_is_stored(
        self, rig: Rig, queue: str
    ) -> None:
        driver = await rig.open(Context(keep_completed_tasks=True, completed_ttl=HOUR))
        assert isinstance(driver, TaskStore)
        await rig.put(driver, [rig.message(queue, b"first")])
        held = await rig.one(driver, queue)
        await driver.settle([Ack(held)])
        if not driver.capabilities.idempotent_enqueue or await driver.get(held.ref) is None:
            return
        await rig.put(driver, [rig.message(queue, b"second", id=held.id)])
        await rig.nothing(driver, queue, "its queue holds that id, as completed")
        task = await driver.get(held.ref)
        assert task is not None
        assert (task.state, task.body) == ("completed", b"first"), "nothing is changed"

    @needs(ResultStore)
    async def test_a_completed_task_is_removed_with_its_record(self, rig: Rig, queue: str) -> None:
        driver = await rig.open(Context(keep_completed_tasks=True, completed_ttl=HOUR))
        assert isinstance(driver, TaskStore)
        assert isinstance(driver, ResultStore)
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([Ack(held, Record(held.ref, "completed", b"done", HOUR))])
        if await driver.get(held.ref) is None:
            return  # it keeps no completed tasks, and then there is none to remove
        assert tuple(await driver.delete([held.ref])) == (held.ref,), "it is not running"
        assert await driver.get(held.ref) is None, "said to be removed"
        assert await driver.result(held.ref, 0.0) is None, "a task is removed with its record"
