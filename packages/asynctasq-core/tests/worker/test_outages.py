"""A backend that goes away is waited for: fetching goes on, and no outcome is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack, Failure
from asynctasq.errors import (
    BackendRefused,
    ConfigError,
    DriverUnavailable,
    OutcomeUnknown,
    ResultUnavailable,
)
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: Counter[str] = Counter()


@task
async def note(name: str) -> str:
    runs[name] += 1
    return name


class Outages(MemoryDriver):
    """Raises as a test says, before or after the verb has done its work."""

    before: dict[str, list[Exception]]
    after: dict[str, list[Exception]]
    calls: Counter[str]

    async def _through(self, verb: str, work: Callable[[], Any]) -> Any:
        self.calls[verb] += 1
        if self.before.get(verb):
            raise self.before[verb].pop(0)
        answer = await work()
        if self.after.get(verb):
            raise self.after[verb].pop(0)
        return answer

    async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
        work = super().dequeue
        return await self._through("dequeue", lambda: work(queues, limit=limit, wait=wait))

    async def settle(self, outcomes: Any) -> Any:
        work = super().settle
        return await self._through("settle", lambda: work(outcomes))


@pytest.fixture
def outages(use) -> type[Outages]:
    """The configured driver: one that fails as this test says."""
    driver = type("OfThisTest", (Outages,), {"before": {}, "after": {}, "calls": Counter()})
    use(driver)
    return driver


@pytest.mark.asyncio
async def test_fetching_goes_on_once_the_backend_is_back(
    outages, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    outages.before["dequeue"] = [DriverUnavailable("restarting")] * 3
    async with Worker([queue]):
        handle = await note(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=10) == queue
    assert caplog.text.count("nothing fetched, trying again: restarting") == 3


@pytest.mark.asyncio
async def test_waiting_for_the_backend_is_no_tight_loop(outages, queue: str, until) -> None:
    outages.before["dequeue"] = [DriverUnavailable("down")] * 1000
    before = time.monotonic()
    async with Worker([queue]):
        await until(lambda: outages.calls["dequeue"] >= 4)
        took = time.monotonic() - before
    assert took >= 0.05 + 0.1 + 0.2 - 0.01  # half of each pause at least


@pytest.mark.asyncio
async def test_outcomes_are_kept_until_the_backend_takes_them(
    outages, memory: MemoryDriver, queue: str, until
) -> None:
    outages.before["settle"] = [DriverUnavailable("restarting")] * 2
    async with Worker([queue]) as worker:
        handles = [await note(queue).on_queue(queue).dispatch() for _ in range(5)]
        for handle in handles:
            assert await handle.result(timeout=10) == queue
        await until(lambda: worker.completed == 5)
    assert runs[queue] == 5


@pytest.mark.asyncio
async def test_an_outcome_whose_reply_was_lost_is_not_made_twice(
    outages, memory: MemoryDriver, queue: str, until
) -> None:
    outages.after["settle"] = [OutcomeUnknown([])]
    async with Worker([queue]) as worker:
        handle = await note(queue).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == queue
        await until(lambda: outages.calls["settle"] == 2)
        again = await note(queue).on_queue(queue).dispatch()
        assert await again.result(timeout=5) == queue
        await until(lambda: worker.completed)
    assert await memory.get(handle.ref) is None
    assert runs[queue] == 2


@pytest.mark.asyncio
async def test_stopping_waits_for_outcomes_that_the_backend_has_not_taken(
    outages, memory: MemoryDriver, queue: str, until
) -> None:
    outages.before["settle"] = [DriverUnavailable("restarting")] * 2
    async with Worker([queue]) as worker:
        handle = await note(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
    assert worker.completed == 1
    assert await memory.get(handle.ref) is None


@pytest.mark.asyncio
async def test_a_stop_does_not_wait_for_ever_and_says_what_it_left(
    outages, queue: str, until, caplog: pytest.LogCaptureFixture
) -> None:
    asynctasq.init({"driver": "probe", "shutdown_timeout": 0.2})
    outages.before["settle"] = [DriverUnavailable("gone")] * 1000
    async with Worker([queue]):
        await note(queue).on_queue(queue).dispatch()
        await until(lambda: runs[queue])
    assert "1 outcomes could not be settled in time" in caplog.text


class Choosy(MemoryDriver):
    """Refuses results of more than a hundred bytes."""

    async def settle(self, outcomes: Any) -> Any:
        for outcome in outcomes:
            value = outcome.record.value if isinstance(outcome, Ack) and outcome.record else b""
            if not isinstance(value, Failure) and len(value) > 100:
                raise BackendRefused("too large a value")
        return await super().settle(outcomes)


@pytest.mark.asyncio
async def test_a_result_that_is_refused_does_not_let_its_task_run_again(
    use, memory: MemoryDriver, queue: str
) -> None:
    use(Choosy)
    async with Worker([queue]) as worker:
        long = "x" * 200 + queue
        handles = [await note(name).on_queue(queue).dispatch() for name in ("short", long, "too")]
        assert await handles[0].result(timeout=5) == "short"
        with pytest.raises(ResultUnavailable, match="too large a value"):
            await handles[1].result(timeout=5)
        assert await handles[2].result(timeout=5) == "too"
    assert worker.completed == 3
    assert await memory.get(handles[1].ref) is None
    assert runs[long] == 1


@pytest.mark.asyncio
async def test_an_outcome_that_is_refused_holds_up_no_other(
    use, memory: MemoryDriver, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Against(MemoryDriver):
        async def settle(self, outcomes: Any) -> Any:
            if any(b"unlucky" in outcome.delivery.body for outcome in outcomes):
                raise BackendRefused("no")
            return await super().settle(outcomes)

    use(Against)
    async with Worker([queue]) as worker:
        unlucky = await note("unlucky").on_queue(queue).dispatch()
        handles = [await note(f"{n}").on_queue(queue).dispatch() for n in range(5)]
        assert [await handle.result(timeout=5) for handle in handles] == list("01234")
    assert worker.completed == 5
    left = await memory.get(unlucky.ref)
    assert left is not None
    assert left.state == "running"  # until its lease ends
    assert "left to its lease" in caplog.text


@pytest.mark.asyncio
async def test_a_driver_that_breaks_its_contract_ends_the_worker_loudly(use, queue: str) -> None:
    class Broken(MemoryDriver):
        async def dequeue(self, queues: Any, *, limit: int, wait: float) -> Any:
            raise ZeroDivisionError("a bug of the driver")

    use(Broken)
    with pytest.raises(ZeroDivisionError):
        await Worker([queue]).run()


@pytest.mark.asyncio
async def test_a_worker_that_cannot_begin_says_why(use, queue: str) -> None:
    class Away(MemoryDriver):
        async def open(self) -> None:
            raise DriverUnavailable("nobody there")

    use(Away)
    with pytest.raises(DriverUnavailable, match="nobody there"):
        await Worker([queue]).run()
    with pytest.raises(ConfigError, match="queue 'no queue'"):
        Worker(["no queue"])
    with pytest.raises(ConfigError, match=r"queues='mail': expected a list .* \['mail'\]"):
        Worker("mail")
    with pytest.raises(ConfigError, match="concurrency 0"):
        Worker(concurrency=0)
