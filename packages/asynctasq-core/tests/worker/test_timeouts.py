"""Time-outs: a coroutine is stopped and its attempt has failed; a thread is let finish."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import TaskFailed
from asynctasq.worker import Worker, _watch

stopped: list[int] = []
gate = threading.Event()


@task(timeout=0.05, max_attempts=2, retry_delay=0)
async def wait_for_ever() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        stopped.append(asynctasq.current().attempt)


@task(timeout=0.05)
async def cling() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
    return "finished after all"


@task(timeout=0.05)
def slow_in_a_thread() -> str:
    time.sleep(0.2)
    return "slow"


@task(timeout=0.05, max_attempts=1)
async def clean_up_badly() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise LookupError("while cleaning up")


@pytest.mark.asyncio
async def test_a_coroutine_is_cancelled_and_its_attempt_has_failed(memory, queue: str) -> None:
    stopped.clear()
    async with Worker([queue]) as worker:
        handle = await wait_for_ever().on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match=r"TimeoutError: .* longer than 0\.05 s"):
            await handle.result(timeout=5)
    assert stopped == [1, 2]
    assert worker.failed == 2


@pytest.mark.asyncio
async def test_a_coroutine_may_use_its_cancellation_to_finish(memory, queue: str) -> None:
    async with Worker([queue]):
        handle = await cling().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "finished after all"


@pytest.mark.asyncio
async def test_what_cleaning_up_raises_is_the_failure(memory, queue: str) -> None:
    async with Worker([queue]):
        handle = await clean_up_badly().on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="LookupError: while cleaning up"):
            await handle.result(timeout=5)


@pytest.mark.asyncio
async def test_a_thread_cannot_be_stopped_and_is_waited_for(memory, queue: str) -> None:
    async with Worker([queue], concurrency=1):
        handle = await slow_in_a_thread().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "slow"


@task(timeout=0.05)
async def block_at_the_gate() -> str:
    gate.wait(20)
    return "late"


@pytest.mark.asyncio
async def test_a_first_late_look_ends_no_worker(
    memory, queue: str, apart, until, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a pause of the process, the task may end as soon as its loop goes on."""
    asynctasq.init({"driver": "memory", "stop_grace": 0.1})
    monkeypatch.setattr(_watch, "_LOOK", 1.0)
    gate.clear()
    async with apart(Worker([queue])) as worker:
        handle = await block_at_the_gate().on_queue(queue).dispatch()
        await until(lambda: "goes on after its time-out" in caplog.text)
        gate.set()
        assert await handle.result(timeout=5) == "late"
    assert worker.completed == 1
