"""What a task raises in its hooks, a SystemExit among it, ends nothing but that hook."""

from __future__ import annotations

from typing import ClassVar

import pytest

from asynctasq import AsyncTask, TaskConfig
from asynctasq.errors import TaskFailed
from asynctasq.memory import MemoryDriver
from asynctasq.worker import ExitCode, Worker, _slots

called: list[str] = []


class Leaves(AsyncTask[str]):
    config: ClassVar[TaskConfig] = {"max_attempts": 2, "retry_delay": 0}
    refused: ClassVar[bool] = False
    how: str

    def __post_init__(self) -> None:
        if Leaves.refused:
            raise SystemExit("in __post_init__")

    async def execute(self) -> str:
        if self.how == "fine":
            return "fine"
        raise LookupError("on purpose")

    def should_retry(self, error: Exception) -> bool:
        raise SystemExit("in should_retry")

    async def failed(self, error: Exception) -> None:
        called.append("failed")
        raise SystemExit("in failed")


@pytest.mark.asyncio
async def test_a_hook_that_exits_costs_the_worker_nothing(memory, queue: str, until) -> None:
    called.clear()
    async with Worker([queue]) as worker:
        handle = await Leaves("hooks").on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="on purpose"):
            await handle.result(timeout=5)
        await until(lambda: called)
        assert await (await Leaves("fine").on_queue(queue).dispatch()).result(timeout=5) == "fine"
    assert (worker.completed, worker.failed, worker.exit_code) == (1, 2, ExitCode.DONE)


@pytest.mark.asyncio
async def test_a_task_that_exits_as_it_is_made_is_given_back(
    memory: MemoryDriver, queue: str, monkeypatch: pytest.MonkeyPatch, until, caplog
) -> None:
    handle = await Leaves("made").on_queue(queue).dispatch()
    monkeypatch.setattr(Leaves, "refused", True)
    async with Worker([queue]) as worker:
        await until(lambda: "in __post_init__" in caplog.text)
    left = await memory.get(handle.ref)
    assert left is not None
    assert (left.state, left.attempt, worker.exit_code) == ("scheduled", 1, ExitCode.DONE)


@pytest.mark.asyncio
async def test_a_hand_over_between_the_loops_that_fails_ends_the_worker_loudly(
    memory: MemoryDriver, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(_slots.Slots, "ended", broken)
    await Leaves("fine").on_queue(queue).dispatch()
    worker = Worker([queue])
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        await worker.run()
    assert worker.exit_code == ExitCode.PART_DIED
