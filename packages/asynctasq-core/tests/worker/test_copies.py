"""Where outcomes are copies and a lease is a connection: what ended here never runs here again."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack, Delivery, Release
from asynctasq.events import TaskStarted
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .conftest import envelope, until
from .copying import Copying

runs: Counter[str] = Counter()
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
attempts: defaultdict[str, list[int]] = defaultdict(list)


@task(name="copies.note")
async def note(key: str) -> None:
    runs[key] += 1


@task(name="copies.fail")
async def fail(key: str, times: int = 99, through: bool = False) -> None:
    runs[key] += 1
    attempts[key].append(asynctasq.current().attempt)  # type: ignore[union-attr]
    if through:
        await gates[key].wait()
    if runs[key] <= times:
        raise LookupError


@task(name="copies.pass_gate")
async def pass_gate(key: str) -> None:
    runs[key] += 1
    await gates[key].wait()


@pytest.fixture
def copying(use, recorder) -> type[Copying]:
    """The configured driver; what happens is recorded."""
    driver = Copying.fresh()
    use(driver)
    asynctasq.init({"driver": "probe", "store_results": False}, [recorder])
    return driver


def copy_of(delivery: Delivery, receipt: str = "copy", **fields: Any) -> Delivery:
    return replace(delivery, receipt=receipt, **fields)


async def hand_out(copying: type[Copying], copy: Delivery) -> None:
    """Hand it out, and wait until the worker has it."""
    copying.copies.append(copy)
    await until(lambda: not copying.copies)
    asked = copying.asked
    await until(lambda: copying.asked > asked)


def acknowledged(copying: type[Copying], receipt: str = "copy") -> bool:
    return any(isinstance(o, Ack) and o.delivery.receipt == receipt for o in copying.sent)


@pytest.mark.asyncio
async def test_a_copy_of_what_was_finished_here_is_acknowledged_and_not_run(
    copying, queue: str, recorder
) -> None:
    async with Worker([queue]) as worker:
        await note(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed)
        copying.copies.append(copy_of(copying.held[0]))
        await until(lambda: acknowledged(copying))
    await asynctasq.close()
    assert (runs[queue], worker.completed) == (1, 1)
    assert recorder.names() == ["task_enqueued", "task_started", "task_completed"]


@pytest.mark.asyncio
async def test_a_copy_of_an_attempt_that_failed_here_is_dropped_and_the_next_one_runs(
    copying, queue: str
) -> None:
    async with Worker([queue]) as worker:
        await fail(queue, times=1).on_queue(queue).retry_after(0.2).dispatch()
        await until(lambda: worker.failed)
        copying.copies.append(copy_of(copying.held[0]))
        await until(lambda: acknowledged(copying))
        await until(lambda: worker.completed)
        copying.copies.append(copy_of(copying.held[0], "late"))
        await until(lambda: acknowledged(copying, "late"))
    assert attempts[queue] == [1, 2]


@pytest.mark.asyncio
async def test_a_copy_of_an_attempt_before_the_one_that_runs_here_is_dropped(
    copying, queue: str
) -> None:
    """That one has failed elsewhere, or else this one would not exist."""
    async with Worker([queue]) as worker:
        await pass_gate(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
        first = copying.held[0]
        gates[queue].set()
        await until(lambda: worker.completed)
        gates[queue].clear()
        other = copy_of(first, "second attempt", origin="another", attempt=2, deliveries=2)
        copying.copies.append(other)
        await until(lambda: runs[queue] == 2)
        await hand_out(copying, copy_of(first, origin="another"))
        gates[queue].set()
        await until(lambda: acknowledged(copying))
    assert runs[queue] == 2


@pytest.mark.asyncio
async def test_a_copy_of_an_attempt_before_one_that_was_given_back_here_is_dropped(
    copying, queue: str
) -> None:
    async with Worker([queue]) as worker:
        await note(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed)
        first = replace(copying.held[0], origin="another")
        body = envelope("copies.known_elsewhere")
        copying.copies.append(copy_of(first, "second", attempt=2, deliveries=2, body=body))
        await until(lambda: isinstance(copying.sent[-1], Release))
        copying.copies.append(copy_of(first))
        await until(lambda: acknowledged(copying))
    assert runs[queue] == 1


@pytest.mark.asyncio
async def test_another_sending_of_the_same_id_runs(copying, queue: str) -> None:
    async with Worker([queue]) as worker:
        await note(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed)
        copying.copies.append(copy_of(copying.held[0], origin="a replay"))
        await until(lambda: worker.completed == 2)
    assert runs[queue] == 2


@pytest.mark.asyncio
async def test_what_was_only_given_back_runs_when_it_comes_again(copying, queue: str, put) -> None:
    async with Worker([queue]) as worker:
        await put(f"copies.{queue}", key=queue)
        await until(lambda: any(isinstance(outcome, Release) for outcome in copying.sent))
        task(name=f"copies.{queue}")(_note)
        await until(lambda: worker.completed)
    assert runs[queue] == 1


async def _note(key: str) -> None:
    runs[key] += 1


@pytest.mark.asyncio
async def test_two_copies_at_once_run_once_and_both_are_removed(copying, queue: str) -> None:
    async with Worker([queue]) as worker:
        await pass_gate(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
        first = copying.held[0].receipt
        await hand_out(copying, copy_of(copying.held[0]))
        gates[queue].set()
        await until(lambda: acknowledged(copying, first))
    assert acknowledged(copying)
    assert (runs[queue], worker.completed) == (1, 1)


@pytest.mark.asyncio
async def test_an_attempt_that_waits_for_the_one_before_it_is_given_back_at_a_stop(
    copying, queue: str
) -> None:
    async with Worker([queue]) as worker:
        await pass_gate(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
        await hand_out(copying, copy_of(copying.held[0], attempt=2, deliveries=2))
        worker.stop()
        await until(lambda: copying.sent)
        gates[queue].set()
    given_back, finished = copying.sent
    assert (given_back.name, given_back.delivery.receipt) == ("release", "copy")
    assert (finished.name, worker.completed, runs[queue]) == ("ack", 1, 1)


OUTCOMES = {"ack": (0, 3), "retry": (1, 3), "dead_letter": (99, 1)}
"""How often the task fails, and how often it may run."""


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.asyncio
async def test_an_outcome_whose_receipt_was_lost_is_settled_on_the_next_one_and_told_once(
    copying, memory: MemoryDriver, queue: str, recorder, outcome: str
) -> None:
    times, most = OUTCOMES[outcome]
    copying.before_settle.append(copying.cut)
    async with Worker([queue]) as worker:
        call = fail(queue, times=times).on_queue(queue).max_attempts(most).retry_after(0)
        await call.dispatch()
        await until(lambda: worker.completed or (outcome == "dead_letter" and worker.failed))
    await asynctasq.close()
    assert [o.name for o in copying.sent][:2] == [outcome, outcome]
    assert copying.sent[0].delivery.receipt != copying.sent[1].delivery.receipt
    assert attempts[queue] == [1, 2][: 1 + (outcome == "retry")]
    assert recorder.names().count("task_failed") == min(times, 1)
    assert recorder.names().count("task_completed") == (outcome != "dead_letter")


@pytest.mark.asyncio
async def test_an_outcome_that_nobody_knows_of_is_told_once_and_settled_when_it_comes_again(
    copying, memory: MemoryDriver, queue: str, recorder
) -> None:
    copying.before_settle += [lambda: copying.cut() is None, lambda: False]
    async with Worker([queue]) as worker:
        handle = await note(queue).on_queue(queue).dispatch()
        await until(lambda: worker.completed)
        await until(lambda: len(copying.sent) == 3)
    await asynctasq.close()
    assert await memory.get(handle.ref) is None
    assert (runs[queue], worker.completed) == (1, 1)
    assert recorder.names().count("task_completed") == 1


@pytest.mark.asyncio
async def test_a_run_whose_connection_was_cut_goes_on_and_is_no_loss(
    copying, queue: str, recorder
) -> None:
    async with Worker([queue]) as worker:
        await fail(queue, times=1, through=True).on_queue(queue).retry_after(0).dispatch()
        for again in range(1, 4):
            await until(lambda again=again: runs[queue] and len(copying.held) == 1)
            copying.cut()
            await until(lambda: copying.held)
        gates[queue].set()
        await until(lambda: worker.completed)
    await asynctasq.close()
    started = [event for event in recorder.events if isinstance(event, TaskStarted)]
    assert [(event.attempt, event.deliveries) for event in started] == [(1, 1), (2, 2)]
