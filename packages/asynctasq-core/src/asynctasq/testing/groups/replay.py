"""Bringing dead tasks back, and removing tasks. The answers say what was really done."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Ack, DeadLetter, Driver, Record, ResultStore, TaskStore
from asynctasq.testing._group import needs
from asynctasq.testing._outcomes import EVERY_OUTCOME, FAILURE, retry
from asynctasq.testing._rig import Rig
from asynctasq.testing._tasks import TaskGroup

HOUR = 3600.0


@needs(TaskStore)
class Replay(TaskGroup):
    """`TaskStore.retry_dead`."""

    async def test_attempts_and_losses_start_anew(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        body, headers = bytes(range(256)), {"correlation": "größe"}
        await rig.put(driver, [rig.message(queue, body, headers=headers, attempt=2)])
        await driver.settle([retry(await rig.one(driver, queue))])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, FAILURE)])
        assert tuple(await tasks.retry_dead([held.ref])) == (held.ref,), "those made pending"
        if await self._shows(tasks, "pending", queue):
            task = await tasks.get(held.ref)
            assert (task and task.state) == "pending", "due at once"
        again = await rig.one(driver, queue, why="a dead task that is replayed is pending")
        assert (again.id, again.body, dict(again.headers)) == (held.id, body, headers)
        assert again.visibility_timeout == held.visibility_timeout
        assert (again.attempt, again.deliveries) == (1, 1), (
            "replayed with its attempts already spent, it would be dead again at once"
        )

    async def test_it_is_no_longer_dead(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        refs = await self._bury(rig, driver, queue, 3)
        await tasks.retry_dead(refs[:2])
        assert await self._all(tasks, "dead", queue, 10) == refs[2:]
        came = await rig.take(driver, queue, 2)
        assert (await driver.settle([Ack(d) for d in came])).lost == ()
        assert {d.ref for d in came} == set(refs[:2])

    async def test_only_what_is_dead_is_replayed(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        (dead,) = await self._bury(rig, driver, queue, 1)
        waiting = [m.ref for m in await rig.put(driver, rig.messages(queue, 3))]
        running, done = await rig.take(driver, queue, 2)
        await driver.settle([Ack(done)])
        refs = [*waiting, rig.message(queue).ref, dead]
        assert tuple(await tasks.retry_dead(refs)) == (dead,), "it says what it really did"
        assert tuple(await tasks.retry_dead(refs)) == (), "and the second time, nothing"
        assert (await driver.settle([Ack(running)])).lost == (), "it was running, and is"
        came = await rig.take(driver, queue, 2)
        assert {d.ref for d in came} == {dead, *waiting} - {running.ref, done.ref}
        await rig.nothing(driver, queue, "one was dead, one was pending")

    async def test_concurrent_replays_bring_a_task_back_once(
        self, rig: Rig, driver: Driver, tasks: TaskStore, second: Driver, queue: str
    ) -> None:
        assert isinstance(second, TaskStore)
        refs = await self._bury(rig, driver, queue, 10)
        answers = await asyncio.gather(tasks.retry_dead(refs), second.retry_dead(refs))
        told = [ref for answer in answers for ref in answer]
        assert sorted(told) == sorted(refs), "each was made pending by one of the two"
        await rig.take(driver, queue, 10)
        await rig.nothing(driver, queue, "a task was replayed twice")

    async def test_its_losses_are_forgotten(
        self, rig: Rig, driver: Driver, tasks: TaskStore
    ) -> None:
        stale = await rig.stale(1)
        (lost,) = stale.new
        assert lost.losses == 1, "its first lease was lost"
        await stale.owner.settle([DeadLetter(lost, FAILURE)])
        assert tuple(await tasks.retry_dead([lost.ref])) == (lost.ref,)
        again = await rig.one(driver, lost.queue)
        assert (again.attempt, again.losses) == (1, 0), (
            "replayed with its losses still counted, it would be dead again at once"
        )

    async def test_a_waiting_consumer_gets_it(
        self, rig: Rig, driver: Driver, tasks: TaskStore, second: Driver, queue: str
    ) -> None:
        refs = await self._bury(rig, driver, queue, 1)
        delivery, _ = await rig.woken(second, queue, lambda: tasks.retry_dead(refs))
        assert delivery.ref == refs[0]

    async def test_the_receipt_of_the_life_before_is_void(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, FAILURE)])
        await tasks.retry_dead([held.ref])
        again = await rig.one(driver, queue)
        for outcome in EVERY_OUTCOME:
            await driver.settle([outcome(held)])
        assert (await driver.extend([again])).lost == (), "an old receipt ended a replayed task"
        assert (await driver.settle([Ack(again)])).lost == ()

    @needs(ResultStore)
    async def test_its_record_is_dropped(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        assert isinstance(driver, ResultStore)
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, FAILURE, Record(held.ref, "dead", FAILURE, None))])
        await tasks.retry_dead([held.ref])
        assert await driver.result(held.ref, 0.0) is None, "it has not ended: it runs again"

    async def test_an_empty_call_is_no_error(self, tasks: TaskStore) -> None:
        assert tuple(await tasks.retry_dead([])) == ()
        assert tuple(await tasks.delete([])) == ()


@needs(TaskStore)
class Deletion(TaskGroup):
    """`TaskStore.delete`."""

    async def test_a_dead_task_is_removed(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        refs = await self._bury(rig, driver, queue, 3)
        unknown = rig.message(queue).ref
        assert sorted(await tasks.delete([*refs[:2], unknown])) == sorted(refs[:2]), (
            "it says what it really removed"
        )
        assert await self._all(tasks, "dead", queue, 10) == refs[2:]
        assert [await tasks.get(ref) for ref in refs[:2]] == [None, None]
        assert tuple(await tasks.delete(refs[:2])) == (), "and the second time, nothing"
        assert tuple(await tasks.retry_dead(refs[:2])) == (), "what is removed cannot be replayed"

    async def test_a_waiting_task_is_removed_or_said_not_to_be(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        due = await rig.put(driver, rig.messages(queue, 2))
        later = await rig.put(driver, rig.messages(queue, 2, delay=2 * self.quiet))
        refs = [message.ref for message in (*due, *later)]
        removed = list(await tasks.delete(refs))
        if await self._shows(tasks, "pending", queue):
            assert set(removed) >= {m.ref for m in due}, "pending tasks can be removed"
        if await self._shows(tasks, "scheduled", queue):
            assert set(removed) >= {m.ref for m in later}, "scheduled tasks can be removed"
        within = driver.capabilities.delay_resolution + self.patience
        came = await rig.take(driver, queue, len(refs) - len(removed), within=within)
        assert not {d.ref for d in came} & set(removed), "said to be removed, and handed out"
        await rig.nothing(driver, queue, "removed tasks never come", wait=4 * self.quiet)

    @needs(ResultStore)
    async def test_its_record_goes_with_it(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        assert isinstance(driver, ResultStore)
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.settle([DeadLetter(held, FAILURE, Record(held.ref, "dead", FAILURE, None))])
        assert tuple(await tasks.delete([held.ref])) == (held.ref,)
        assert await driver.result(held.ref, 0.0) is None, "a task is removed with its record"

    async def test_a_running_task_stays(
        self, rig: Rig, driver: Driver, tasks: TaskStore, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        assert tuple(await tasks.delete([held.ref])) == (), "a running task is not removed"
        assert (await driver.settle([Ack(held)])).lost == (), "it was removed while it ran"
