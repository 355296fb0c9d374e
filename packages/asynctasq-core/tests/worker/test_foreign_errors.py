"""Whatever a task raises is a failed attempt of that task, and costs the worker nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from asynctasq import task
from asynctasq.errors import TaskFailed
from asynctasq.worker import Worker


class OfNobody(BaseException):
    """As libraries for tests and for structured concurrency have them."""


ERRORS: dict[str, type[BaseException]] = {
    error.__name__: error
    for error in (
        ValueError,
        SystemExit,
        GeneratorExit,
        asyncio.CancelledError,
        TimeoutError,
        StopIteration,
        StopAsyncIteration,
        RecursionError,
        MemoryError,
        OfNobody,
    )
}


@task(max_attempts=2, retry_delay=0)
async def raise_on_the_loop(name: str) -> None:
    raise ERRORS[name]("on purpose")


@task(max_attempts=2, retry_delay=0)
def raise_in_a_thread(name: str) -> None:
    raise (KeyboardInterrupt if name == "KeyboardInterrupt" else ERRORS[name])("on purpose")


@task
async def fine() -> str:
    return "fine"


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.asyncio
async def test_any_error_of_a_coroutine_is_a_failed_attempt(memory, queue: str, name: str) -> None:
    async with Worker([queue], concurrency=1) as worker:
        handle = await raise_on_the_loop(name).on_queue(queue).dispatch()
        with pytest.raises(TaskFailed) as raised:
            await handle.result(timeout=5)
        assert await (await fine().on_queue(queue).dispatch()).result(timeout=5) == "fine"
    assert (worker.completed, worker.failed) == (1, 2)
    expected = "RuntimeError" if name == "StopIteration" else name  # Python's own rule
    assert raised.value.type == expected


@pytest.mark.parametrize("name", [*ERRORS, "KeyboardInterrupt"])
@pytest.mark.asyncio
async def test_any_error_of_a_thread_is_a_failed_attempt(memory, queue: str, name: str) -> None:
    async with Worker([queue], concurrency=1) as worker:
        handle = await raise_in_a_thread(name).on_queue(queue).dispatch()
        with pytest.raises(TaskFailed) as raised:
            await handle.result(timeout=5)
        assert await (await fine().on_queue(queue).dispatch()).result(timeout=5) == "fine"
    assert (worker.completed, worker.failed) == (1, 2)
    assert name in f"{raised.value.type} {raised.value.text}"


@task(max_attempts=1)
async def cancel_itself() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_task_that_cancels_itself_has_failed(memory, queue: str) -> None:
    async with Worker([queue], concurrency=1) as worker:
        handle = await cancel_itself().on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="CancelledError"):
            await handle.result(timeout=5)
    assert worker.failed == 1


@task(max_attempts=1)
async def without_words() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    raise Mute


@pytest.mark.asyncio
async def test_an_error_that_cannot_be_shown_is_a_failed_attempt_too(memory, queue: str) -> None:
    async with Worker([queue], concurrency=1):
        handle = await without_words().on_queue(queue).dispatch()
        with pytest.raises(TaskFailed, match="Mute"):
            await handle.result(timeout=5)


@pytest.fixture
def endless() -> Iterator[list[int]]:
    """A structure that no message can hold, taken apart at the end."""
    endless: list[object] = []
    endless.append(endless)
    _values["endless"] = endless
    yield []
    with contextlib.suppress(IndexError):
        endless.pop()


_values: dict[str, object] = {"object": object(), "surrogate": "\ud800", "huge": 2**70}


@task
async def give(name: str) -> object:
    return _values[name]


@pytest.mark.parametrize("name", ["object", "surrogate", "huge", "endless"])
@pytest.mark.asyncio
async def test_a_result_that_cannot_be_stored_does_not_fail_its_task(
    memory, queue: str, endless, name: str
) -> None:
    async with Worker([queue], concurrency=1) as worker:
        handle = await give(name).on_queue(queue).dispatch()
        with pytest.raises(Exception, match="could not be stored"):
            await handle.result(timeout=5)
    assert (worker.completed, worker.failed) == (1, 0)
