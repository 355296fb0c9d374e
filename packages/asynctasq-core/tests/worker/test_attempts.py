"""Attempts: repeated after their delay, as often as allowed; then dead, with record and hook."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import AsyncTask, SyncTask, TaskConfig, task
from asynctasq.driver import check_outcomes
from asynctasq.errors import TaskFailed
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

runs: dict[str, list[int]] = {}


@pytest.fixture(autouse=True)
def _forget_runs() -> None:
    runs.clear()


def ran(key: str) -> int:
    """Note a run; returns the attempt."""
    attempt = asynctasq.current().attempt
    runs.setdefault(key, []).append(attempt)
    return attempt


@task(retry_delay=0)
async def fail_until(key: str, attempt: int) -> str:
    if ran(key) < attempt:
        raise ConnectionError(f"attempt {asynctasq.current().attempt}")
    return f"done on {attempt}"


@pytest.mark.asyncio
async def test_a_failed_attempt_is_followed_by_another(memory, queue: str) -> None:
    async with Worker([queue]) as worker:
        handle = await fail_until("a", 3).on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "done on 3"
    assert runs == {"a": [1, 2, 3]}
    assert (worker.completed, worker.failed) == (1, 2)


@pytest.mark.asyncio
async def test_after_the_last_attempt_it_is_dead_and_kept(memory: MemoryDriver, queue: str) -> None:
    async with Worker([queue]) as worker:
        handle = await fail_until("a", 99).on_queue(queue).max_attempts(2).dispatch()
        with pytest.raises(TaskFailed, match="ConnectionError: attempt 2"):
            await handle.result(timeout=5)
    kept = await memory.get(handle.ref)
    assert kept is not None
    assert (kept.state, kept.attempt, kept.deliveries) == ("dead", 2, 2)
    assert kept.failure is not None
    assert (kept.failure.type, kept.failure.text) == ("ConnectionError", "attempt 2")
    assert runs == {"a": [1, 2]}
    assert (worker.completed, worker.failed) == (0, 2)


@pytest.mark.asyncio
async def test_a_dead_task_that_is_replayed_has_all_its_attempts_anew(
    memory: MemoryDriver, queue: str, until
) -> None:
    async with Worker([queue]):
        handle = await fail_until("a", 99).on_queue(queue).max_attempts(2).dispatch()
        with pytest.raises(TaskFailed):
            await handle.result(timeout=5)
        await memory.retry_dead([handle.ref])
        await until(lambda: len(runs["a"]) == 4)
    assert runs == {"a": [1, 2, 1, 2]}


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        ({"retry_strategy": "fixed", "retry_delay": 100}, 99, 100),
        ({"retry_strategy": "exponential", "retry_delay": 100}, 79, 120),
    ],
)
@pytest.mark.asyncio
async def test_the_next_attempt_is_due_after_the_delay(
    memory: MemoryDriver, queue: str, until, settings: Any, least: float, most: float
) -> None:
    before = time.time()
    async with Worker([queue]) as worker:
        handle = await fail_until("a", 2).on_queue(queue).options(**settings).dispatch()
        await until(lambda: worker.failed)
    waiting = await memory.get(handle.ref)
    took = time.time() - before
    assert waiting is not None
    assert (waiting.state, waiting.attempt) == ("scheduled", 2)
    due_in = (waiting.due_at or 0) - (waiting.enqueued_at or 0)
    assert least <= due_in <= most + took + 1


@pytest.mark.asyncio
async def test_a_backend_that_keeps_no_long_delay_gets_its_longest(use, queue: str) -> None:
    class Hasty(MemoryDriver):
        capabilities = replace(MemoryDriver.capabilities, max_delay=0.05)

        async def settle(self, outcomes: Any) -> Any:
            check_outcomes(outcomes, self.capabilities)
            return await super().settle(outcomes)

    use(Hasty)
    async with Worker([queue]):
        handle = await fail_until("a", 2).on_queue(queue).retry_after(3600).dispatch()
        assert await handle.result(timeout=5) == "done on 2"
    assert runs == {"a": [1, 2]}


class Fragile(AsyncTask[None]):
    config: ClassVar[TaskConfig] = {"max_attempts": 5, "retry_delay": 0}
    key: str
    wanted: bool

    async def execute(self) -> None:
        ran(self.key)
        raise LookupError(self.key)

    def should_retry(self, error: Exception) -> bool:
        assert isinstance(error, LookupError)
        return self.wanted

    async def failed(self, error: Exception) -> None:
        at = asynctasq.current()
        runs.setdefault(f"failed {self.key} {type(error).__name__} {at.queue}", []).append(
            at.attempt
        )


@pytest.mark.parametrize(("wanted", "attempts"), [(True, [1, 2, 3, 4, 5]), (False, [1])])
@pytest.mark.asyncio
async def test_a_task_decides_whether_an_error_deserves_another_attempt(
    memory, queue: str, wanted: bool, attempts: list[int]
) -> None:
    async with Worker([queue]):
        handle = await Fragile("a", wanted).on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="LookupError"):
            await handle.result(timeout=5)
    assert runs == {"a": attempts, f"failed a LookupError {queue}": [attempts[-1]]}


class Plain(SyncTask[None]):
    config: ClassVar[TaskConfig] = {"max_attempts": 1}
    key: str

    def execute(self) -> None:
        raise LookupError(self.key)

    def failed(self, error: Exception) -> None:  # type: ignore[override]
        runs.setdefault("failed", []).append(asynctasq.current().attempt)
        raise RuntimeError("the hook fails too")


@pytest.mark.asyncio
async def test_failed_may_be_a_plain_method_and_what_it_raises_is_only_logged(
    memory: MemoryDriver, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Worker([queue]):
        handle = await Plain("a").on_queue(queue).dispatch()
        with pytest.raises(TaskFailed):
            await handle.result(timeout=5)
    assert runs == {"failed": [1]}
    assert "the hook fails too" in caplog.text
    kept = await memory.get(handle.ref)
    assert kept is not None
    assert kept.state == "dead"


class Undecided(AsyncTask[None]):
    config: ClassVar[TaskConfig] = {"max_attempts": 2, "retry_delay": 0}

    async def execute(self) -> None:
        ran("undecided")
        raise LookupError

    def should_retry(self, error: Exception) -> bool:
        raise ZeroDivisionError("cannot decide")


@pytest.mark.asyncio
async def test_a_should_retry_that_raises_means_yes(
    memory, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Worker([queue]):
        handle = await Undecided().on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="LookupError"):
            await handle.result(timeout=5)
    assert runs == {"undecided": [1, 2]}
    assert "cannot decide" in caplog.text
