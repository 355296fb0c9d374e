"""Which events there are, when, and with what: emitted after the fact that they report."""

from __future__ import annotations

import asyncio
import sys
import time
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec
import pytest

import asynctasq
from asynctasq import task
from asynctasq.errors import ConfigError, TaskFailed
from asynctasq.events import (
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEnqueued,
    TaskEvent,
    TaskReenqueued,
    TaskStarted,
    WorkerOffline,
    WorkerOnline,
)
from asynctasq.memory import MemoryDriver, MemoryTransaction
from asynctasq.worker import Worker


@task(name="emitted.fine")
async def fine() -> None: ...


@task(name="emitted.fail", max_attempts=2, retry_delay=0)
async def fail() -> None:
    raise LookupError("nobody")


@task(name="emitted.hang")
async def hang() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def told(memory: MemoryDriver, recorder: Any) -> Any:
    """What an emitter given to init() is told."""
    asynctasq.init({"driver": "memory"}, [recorder])
    return recorder


@pytest.mark.asyncio
async def test_the_life_of_a_task_that_completes(told, queue: str, until) -> None:
    async with Worker([queue]):
        handle = await fine().on_queue(queue).correlation_id("c-1").delay(0.01).dispatch()
        await handle.result(timeout=5)
    await asynctasq.close()
    life = [event for event in told.events if isinstance(event, TaskEvent)]
    assert [type(event) for event in life] == [TaskEnqueued, TaskStarted, TaskCompleted]
    assert {(e.id, e.task, e.queue, e.attempt, e.correlation_id) for e in life} == {
        (handle.id, "emitted.fine", queue, 1, "c-1")
    }
    assert life[0].delay == 0.01
    assert life[0].worker is None
    assert life[1].worker == life[2].worker is not None
    assert 0 <= life[2].seconds < 5
    assert all(abs(event.at - time.time()) < 10 for event in life)


@pytest.mark.asyncio
async def test_the_life_of_a_task_that_dies(told, queue: str) -> None:
    async with Worker([queue]):
        handle = await fail().on_queue(queue).dispatch()
        with pytest.raises(TaskFailed):
            await handle.result(timeout=5)
    await asynctasq.close()
    life = [event for event in told.events if isinstance(event, TaskEvent)]
    assert [(event.name, event.attempt) for event in life] == [
        ("task_enqueued", 1),
        ("task_started", 1),
        ("task_failed", 1),
        ("task_reenqueued", 1),
        ("task_started", 2),
        ("task_failed", 2),
    ]
    failures = [event for event in life if event.name == "task_failed"]
    assert [(e.final, e.error_type, e.error) for e in failures] == [
        (False, "LookupError", "nobody"),
        (True, "LookupError", "nobody"),
    ]


@pytest.mark.asyncio
async def test_a_time_out_and_a_shutdown_are_told_as_such(told, queue: str, until) -> None:
    asynctasq.init({"driver": "memory", "shutdown_timeout": 0.02}, [told])
    async with Worker([queue]):
        await hang().on_queue(queue).options(timeout=0.02, max_attempts=1).dispatch()
        assert await until(lambda: "task_failed" in told.names())
        await hang().on_queue(queue).dispatch()
        assert await until(lambda: told.names().count("task_started") == 2)
    await asynctasq.close()
    cancelled = [event.reason for event in told.events if isinstance(event, TaskCancelled)]
    assert cancelled == ["timeout", "shutdown"]
    assert isinstance(told.events[-2], TaskReenqueued)


@pytest.mark.asyncio
async def test_a_worker_tells_when_it_comes_and_goes(told, queue: str) -> None:
    async with Worker([queue, "other"], concurrency=3):
        await (await fine().on_queue(queue).dispatch()).result(timeout=5)
    await asynctasq.close()
    online = [event for event in told.events if isinstance(event, WorkerOnline)]
    offline = [event for event in told.events if isinstance(event, WorkerOffline)]
    assert [(e.queues, e.concurrency) for e in online] == [((queue, "other"), 3)]
    assert [(e.completed, e.failed) for e in offline] == [(1, 0)]
    assert told.names().index("worker_online") < told.names().index("task_started")
    assert told.names()[-1] == "worker_offline"


class Slow(MemoryDriver):
    """Takes its time to acknowledge."""

    gate: asyncio.Event

    async def settle(self, outcomes: Any) -> Any:
        await self.gate.wait()
        return await super().settle(outcomes)


@pytest.mark.asyncio
async def test_completed_is_told_after_the_acknowledgement(
    told, site, queue: str, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    Slow.gate = asyncio.Event()
    module: Any = ModuleType("acme_slow")
    module.AcmeDriver = Slow
    monkeypatch.setitem(sys.modules, "acme_slow", module)
    site.driver("slow")
    asynctasq.init({"driver": "slow"}, [told])
    async with Worker([queue]):
        await fine().on_queue(queue).dispatch()
        assert await until(lambda: "task_started" in told.names())
        await asyncio.sleep(0.02)
        assert "task_completed" not in told.names()
        Slow.gate.set()
        assert await until(lambda: "task_completed" in told.names())


@pytest.mark.asyncio
async def test_nothing_is_told_of_a_task_that_was_not_stored(told, queue: str) -> None:
    with MemoryTransaction() as transaction:
        await fine().on_queue(queue).dispatch(connection=transaction)
        transaction.rollback()
    with pytest.raises(TypeError):
        fine(1)  # type: ignore[call-arg]
    await asynctasq.close()
    assert told.names() == []


@pytest.mark.asyncio
async def test_dispatch_many_and_threads_tell_too(told, queue: str) -> None:
    handles = await asynctasq.dispatch_many([fine().on_queue(queue) for _ in range(3)])
    handles.append(await asyncio.to_thread(fine().on_queue(queue).dispatch_sync))
    await asynctasq.close()
    assert [event.id for event in told.events] == [handle.id for handle in handles]


@pytest.mark.asyncio
async def test_a_later_init_lets_the_earlier_emitters_go(told, queue: str, until) -> None:
    await fine().on_queue(queue).dispatch()
    asynctasq.init({"driver": "memory"})
    await fine().on_queue(queue).dispatch()
    assert await until(lambda: told.closed)
    assert told.names() == ["task_enqueued"]


@pytest.mark.parametrize("emitters", [5, [object()], [int]])
def test_what_is_no_emitter_is_refused(clean, emitters: Any) -> None:
    with pytest.raises(ConfigError, match="event_emitters"):
        asynctasq.init({"driver": "memory"}, emitters)


class Hanging:
    """An emitter that never comes back."""

    async def emit(self, events: Any) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None: ...


class Raising:
    def wants(self, kind: type[Event]) -> bool:
        raise ZeroDivisionError

    async def emit(self, events: Any) -> None:
        raise ZeroDivisionError

    async def close(self) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("emitter", [Raising, Hanging])
@pytest.mark.asyncio
async def test_an_emitter_that_fails_or_hangs_hurts_no_task(
    memory, queue: str, emitter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asynctasq.events._bus._CLOSE_WITHIN", 0.05)
    asynctasq.init({"driver": "memory"}, [emitter()])
    async with Worker([queue]) as worker:
        handles = [await fine().on_queue(queue).dispatch() for _ in range(20)]
        for handle in handles:
            await handle.result(timeout=5)
    await asynctasq.close()
    assert worker.completed == 20


def test_events_are_frozen_and_can_be_sent() -> None:
    event = TaskEnqueued(at=1.0, id=UUID(int=7), task="t", queue="q", correlation_id="c")
    with pytest.raises(AttributeError):
        event.queue = "other"  # type: ignore[misc]
    sent = msgspec.json.encode(event)
    assert msgspec.json.decode(sent)["event"] == "task_enqueued"
    assert msgspec.json.decode(sent, type=TaskEnqueued | TaskStarted) == event
