"""Tasks that took workers down are kept apart, so that they take nothing else with them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from asynctasq import task
from asynctasq.driver import Release
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .conftest import end_leases, lose

runs: Counter[str] = Counter()
most: Counter[str] = Counter()
running: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@task(name="suspects.note")
async def note(key: str) -> str:
    runs[key] += 1
    running[key] += 1
    most[key] = max(most[key], running[key])
    await asyncio.sleep(0.05)
    running[key] -= 1
    return key


@task(name="suspects.hold")
async def hold(key: str) -> None:
    runs[f"{key} holds"] += 1
    await gates[key].wait()


@pytest.fixture
def released(short_leases) -> list[Release]:
    """What is given back."""
    given_back: list[Release] = []

    async def settle(self, outcomes):
        answer = await MemoryDriver.settle(self, outcomes)
        given_back.extend(outcome for outcome in outcomes if isinstance(outcome, Release))
        return answer

    short_leases.lease = 30.0
    short_leases.settle = settle
    return given_back


@pytest.mark.asyncio
async def test_one_with_a_loss_is_given_back_unless_it_starts_at_once(
    memory: MemoryDriver, queue: str, until, released, patient
) -> None:
    gates[queue] = asyncio.Event()
    suspect = await note(queue).on_queue(queue).dispatch()
    assert len(await memory.dequeue([queue], limit=1, wait=0)) == 1  # whose worker dies
    await note(f"{queue} short").on_queue(f"{queue}-first").dispatch()
    held = await hold(queue).on_queue(f"{queue}-first").dispatch()
    async with Worker([f"{queue}-first", queue], concurrency=1):
        await until(lambda: runs[f"{queue} holds"])
        end_leases(queue)
        await until(lambda: released)
        assert runs[f"{queue} holds"] == 1
        assert [(one.delivery.id, one.delivery.losses) for one in released] == [(suspect.id, 1)]
        assert released[0].delay > 0
        later = await memory.get(suspect.ref)
        assert later is not None
        assert (later.state, later.attempt, later.deliveries) == ("scheduled", 1, 1)
        gates[queue].set()
        await held.result(timeout=5)
        assert await suspect.result(timeout=5) == queue
    assert runs[queue] == 1


@pytest.mark.asyncio
async def test_two_with_two_losses_never_run_beside_each_other(
    memory: MemoryDriver, queue: str, released
) -> None:
    handles = [await note(queue).on_queue(queue).dispatch() for _ in range(2)]
    await lose(memory, queue, 2, count=2)
    async with Worker([queue], concurrency=4):
        for handle in handles:
            assert await handle.result(timeout=5) == queue
    assert (runs[queue], most[queue]) == (2, 1)
    assert {one.delivery.losses for one in released} == {2}


@pytest.mark.asyncio
async def test_others_run_beside_one_with_two_losses(
    memory: MemoryDriver, queue: str, released, until
) -> None:
    gates[queue] = asyncio.Event()
    suspect = await hold(queue).on_queue(queue).dispatch()
    await lose(memory, queue, 1)
    once = await note(queue).on_queue(queue).dispatch()
    await lose(memory, queue, 1, count=2)
    async with Worker([queue], concurrency=4):
        await until(lambda: runs[f"{queue} holds"])
        never = await note(queue).on_queue(queue).dispatch()
        assert await once.result(timeout=5) == queue
        assert await never.result(timeout=5) == queue
        gates[queue].set()
        await suspect.result(timeout=5)
    assert released == []


@pytest.mark.asyncio
async def test_one_with_two_losses_starts_when_others_are_given_back_not_before(
    memory: MemoryDriver, queue: str, short_leases, until
) -> None:
    """Killed before that, the worker would take those others down a third time."""
    slow, began = threading.Event(), threading.Event()

    async def settle(self, outcomes):
        began.set()
        await asyncio.to_thread(slow.wait, 5)
        return await MemoryDriver.settle(self, outcomes)

    short_leases.settle = settle
    short_leases.lease = 30.0
    handles = [await note(queue).on_queue(queue).dispatch() for _ in range(3)]
    await lose(memory, queue, 2, count=3)
    async with Worker([queue], concurrency=4):
        await until(began.is_set)
        await asyncio.sleep(0.1)
        assert runs[queue] == 0
        slow.set()
        for handle in handles:
            assert await handle.result(timeout=5) == queue
    assert most[queue] == 1


KILLER = """
@task(name="kill")
async def kill():
    os.kill(os.getpid(), signal.SIGKILL)

@task(name="work")
async def work():
    await asyncio.sleep(0.01)

serve(concurrency=4)
"""


@pytest.mark.asyncio
async def test_a_hundred_that_run_beside_a_task_which_kills_its_worker_keep_all_their_attempts(
    memory: MemoryDriver, programs, put, queue: str, until
) -> None:
    killer = await put("kill")
    others = [await put("work") for _ in range(100)]
    for _ in range(3):
        code, _ = await programs.ended(programs.start(KILLER, keep_completed_tasks=True))
        assert code == -9
        end_leases(queue)
    process = programs.start(KILLER, keep_completed_tasks=True)
    while (await memory.stats([queue]))[0].dead == 0:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(15):
        while len((await memory.list("completed", queue, 1000)).tasks) < 100:
            await asyncio.sleep(0.02)
    process.terminate()
    assert (await programs.ended(process))[0] == 0
    dead = await memory.get(killer.ref)
    assert dead is not None
    assert dead.failure is not None
    assert (dead.state, dead.attempt, dead.failure.type) == ("dead", 1, "WorkerLost")
    ended = [await memory.get(one.ref) for one in others]
    assert {(one.state, one.attempt) for one in ended if one} == {("completed", 1)}
