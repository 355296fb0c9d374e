"""What a task finds around it: its own facts, a context of its own, and ids that it passes on."""

from __future__ import annotations

import asyncio
import functools
import threading
from contextvars import ContextVar
from typing import Any

import pytest

import asynctasq
from asynctasq import task
from asynctasq.codec import decode_envelope
from asynctasq.memory import MemoryDriver
from asynctasq.worker import Worker

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
found: dict[str, Any] = {}


def _facts() -> tuple[str, str, str, int, str | None]:
    at = asynctasq.current()
    return str(at.id), at.task, at.queue, at.attempt, at.correlation_id


@task(name="surroundings.on_the_loop", max_attempts=2, retry_delay=0)
async def on_the_loop() -> None:
    found[f"loop {asynctasq.current().attempt}"] = _facts()
    await asyncio.sleep(0)
    if asynctasq.current().attempt == 1:
        raise LookupError


@task(name="surroundings.in_a_thread")
def in_a_thread() -> None:
    found["thread"] = _facts()
    found["daemon"] = threading.current_thread().daemon


@pytest.mark.asyncio
async def test_current_tells_a_task_its_own_facts(memory, queue: str) -> None:
    async with Worker([queue]):
        on_loop = await on_the_loop().on_queue(queue).correlation_id("c-1").dispatch()
        await on_loop.result(timeout=5)
        threaded = await in_a_thread().on_queue(queue).dispatch()
        await threaded.result(timeout=5)
    name = "surroundings.on_the_loop"
    assert found["loop 1"] == (str(on_loop), name, queue, 1, "c-1")
    assert found["loop 2"] == (str(on_loop), name, queue, 2, "c-1")
    assert found["thread"] == (str(threaded), "surroundings.in_a_thread", queue, 1, None)
    assert found["daemon"]


@pytest.mark.asyncio
async def test_outside_of_a_task_there_is_no_current_one(memory) -> None:
    with pytest.raises(RuntimeError, match="outside of a running task"):
        asynctasq.current()


@task
async def settle_in(name: str) -> str:
    before = tenant.get()
    tenant.set(name)
    return before


@task
def settle_in_a_thread(name: str) -> str:
    before = tenant.get()
    tenant.set(name)
    return before


@pytest.mark.parametrize("kind", [settle_in, settle_in_a_thread])
@pytest.mark.parametrize("concurrency", [1, 5])
@pytest.mark.asyncio
async def test_what_one_task_sets_no_other_finds(
    memory, queue: str, kind: Any, concurrency: int
) -> None:
    calls = [kind(f"tenant {n}").on_queue(queue) for n in range(20)]
    handles = await asynctasq.dispatch_many(calls)
    async with Worker([queue], concurrency=concurrency):
        assert {await handle.result(timeout=5) for handle in handles} == {"nobody"}
    assert tenant.get() == "nobody"


@task(name="surroundings.leaf")
async def leaf() -> str | None:
    return asynctasq.current().correlation_id


@task
async def branch(queue: str, how: str) -> str | None:
    call = leaf().on_queue(queue)
    match how:
        case "own":
            handle = await call.correlation_id("of the leaf").dispatch()
        case "many":
            (handle,) = await asynctasq.dispatch_many([call])
        case "subtask":
            handle = await asyncio.create_task(call.dispatch())
        case _:
            handle = await call.dispatch()
    return await handle.result(timeout=5)


@task
def branch_in_a_thread(queue: str, how: str) -> str | None:
    return leaf().on_queue(queue).dispatch_sync().result_sync(timeout=5)


@pytest.mark.parametrize(
    ("kind", "how", "expected"),
    [
        (branch, "plain", "of the root"),
        (branch, "many", "of the root"),
        (branch, "subtask", "of the root"),
        (branch, "own", "of the leaf"),
        (branch_in_a_thread, "sync", "of the root"),
    ],
)
@pytest.mark.asyncio
async def test_a_correlation_id_is_passed_on_to_tasks_dispatched_within(
    memory, queue: str, kind: Any, how: str, expected: str
) -> None:
    asynctasq.init({"driver": "memory", "correlation_id": "of the options"})
    async with Worker([queue]):
        root = await kind(queue, how).on_queue(queue).correlation_id("of the root").dispatch()
        assert await root.result(timeout=5) == expected


@pytest.mark.asyncio
async def test_without_one_the_option_is_taken(memory: MemoryDriver, queue: str) -> None:
    asynctasq.init({"driver": "memory", "correlation_id": "of the options"})
    handle = await leaf().on_queue(queue).dispatch()
    stored = await memory.get(handle.ref)
    assert stored is not None
    assert decode_envelope(stored.body).correlation_id == "of the options"


async def _inner() -> str:
    return asynctasq.current().task


@task(name="surroundings.wrapped")
@functools.wraps(_inner)
def wrapped() -> Any:
    return _inner()


@pytest.mark.asyncio
async def test_a_plain_function_that_gives_a_coroutine_has_it_run(memory, queue: str) -> None:
    async with Worker([queue]):
        handle = await wrapped().on_queue(queue).dispatch()
        assert await handle.result(timeout=5) == "surroundings.wrapped"
