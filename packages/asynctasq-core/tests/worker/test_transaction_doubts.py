"""Commits of tasks whose reply is lost, or that are cancelled: what happened is what counts."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Settled
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

from .effects import Scripted, gone, raising, write

runs: Counter[str] = Counter()


@task(retry_delay=0)
async def pay(queue: str) -> int:
    runs[queue] += 1
    async with asynctasq.transaction() as connection:
        await write(queue, connection)
    return asynctasq.current().attempt


@pytest.mark.parametrize("away", [0, 2])
@pytest.mark.asyncio
async def test_a_commit_whose_reply_was_lost_is_not_made_again(
    scripted: type[Scripted],
    memory: MemoryDriver,
    queue: str,
    effects,
    until,
    recorder,
    caplog: pytest.LogCaptureFixture,
    away: int,
) -> None:
    asynctasq.init({"driver": "probe"}, event_emitters=[recorder])
    answers = [DriverUnavailable("restarting")] * away

    async def settle(self: Scripted, outcomes: object) -> Settled:
        if answers:
            raise answers.pop()
        return await MemoryDriver.settle(self, outcomes)  # type: ignore[arg-type]

    scripted.settle = settle  # type: ignore[method-assign, assignment]
    scripted.after_commit = raising(OutcomeUnknown(()))
    async with Worker([queue]) as worker:
        await pay(queue).on_queue(queue).dispatch()
        await until(lambda: "was lost before it was settled" in caplog.text)
    assert (await effects(), runs[queue], worker.failed, worker.completed) == (1, 1, 0, 0)
    await asynctasq.close()  # all is told
    assert recorder.names() == ["task_enqueued", "task_started"]
    assert await gone(memory, queue)


@pytest.mark.asyncio
async def test_a_commit_in_doubt_that_did_not_happen_is_made_by_another_attempt(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects, until
) -> None:
    async def doubt() -> None:
        if runs[queue] == 1:
            raise OutcomeUnknown(())

    scripted.before_commit = staticmethod(doubt)
    async with Worker([queue]) as worker:
        handle = await pay(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == 2
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue], worker.failed) == (1, 2, 1)


@pytest.mark.asyncio
async def test_after_a_commit_in_doubt_the_same_run_begins_no_other(
    scripted: type[Scripted], queue: str, until
) -> None:
    refusals: list[str] = []

    @task(name=f"{queue}-insists")
    async def insist() -> None:
        with pytest.raises(OutcomeUnknown):
            async with asynctasq.transaction():
                pass
        try:
            async with asynctasq.transaction():
                pass
        except RuntimeError as refusal:
            refusals.append(str(refusal))
            raise

    scripted.after_commit = raising(OutcomeUnknown(()))
    async with Worker([queue]):
        await insist().on_queue(queue).dispatch()
        await until(lambda: refusals)
    assert "may have been committed or not" in refusals[0]


@pytest.mark.asyncio
async def test_a_timeout_during_the_commit_waits_for_what_comes_of_it(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects, until
) -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.8)

    scripted.before_commit = staticmethod(slowly)
    async with Worker([queue]) as worker:
        await pay(queue).on_queue(queue).timeout(0.6).dispatch()
        await until(lambda: worker.completed == 1)
    assert (await effects(), runs[queue], worker.failed) == (1, 1, 0)
    assert await gone(memory, queue)


@pytest.mark.asyncio
async def test_a_timeout_during_a_commit_that_fails_is_an_attempt_that_failed(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects, until
) -> None:
    async def slowly() -> None:
        if runs[queue] == 1:
            await asyncio.sleep(0.8)
            raise DriverUnavailable("restarting")

    scripted.before_commit = staticmethod(slowly)
    async with Worker([queue]) as worker:
        handle = await pay(queue).on_queue(queue).timeout(0.6).dispatch()
        assert await handle.result(timeout=5) == 2
        await until(lambda: worker.completed == 1)
    assert (await effects(), worker.failed) == (1, 1)


@pytest.mark.asyncio
async def test_a_timeout_of_the_task_itself_around_its_commit_is_told_to_it(
    scripted: type[Scripted], memory: MemoryDriver, queue: str, effects
) -> None:
    @task(name=f"{queue}-impatient")
    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.6), asynctasq.transaction() as connection:
                await write(queue, connection)
        except TimeoutError:
            return "took long"
        return "was quick"

    async def slowly() -> None:
        await asyncio.sleep(0.8)

    scripted.before_commit = staticmethod(slowly)
    async with Worker([queue]):
        handle = await impatient().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "took long"
    assert await effects() == 1
