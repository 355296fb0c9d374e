"""Dispatches made together travel together, and each still succeeds or fails by itself."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import task
from asynctasq.driver import Context, Enqueued, check_messages
from asynctasq.errors import (
    ArgumentError,
    BackendRefused,
    DriverNotInstalled,
    InvalidMessage,
    Unsupported,
)
from asynctasq.memory import MemoryDriver


@task
async def note(number: int) -> int:
    return number


@pytest.mark.asyncio
async def test_a_dispatch_returns_when_the_backend_has_it(queue: str, stored) -> None:
    handle = await note(1).on_queue(queue).dispatch()
    assert [task.ref for task in await stored()] == [handle.ref]


@pytest.mark.asyncio
async def test_dispatches_of_one_turn_of_the_loop_are_one_enqueue(
    scripted, queue: str, stored
) -> None:
    await note(0).on_queue(queue).dispatch()
    scripted.calls.clear()
    handles = await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(500)))
    assert scripted.calls == [500]
    assert {handle.id for handle in handles} < {task.ref.id for task in await stored()}


@pytest.mark.asyncio
async def test_no_enqueue_carries_more_than_a_thousand(scripted, queue: str, stored) -> None:
    await note(0).on_queue(queue).dispatch()
    scripted.calls.clear()
    await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(2500)))
    assert scripted.calls == [1000, 1000, 500]
    assert len(await stored()) == 2501


@pytest.mark.asyncio
async def test_a_dispatch_on_its_own_waits_for_no_other(scripted, queue: str) -> None:
    for number in range(3):
        await note(number).on_queue(queue).dispatch()
    assert scripted.calls == [1, 1, 1]


@pytest.mark.asyncio
async def test_a_slow_enqueue_keeps_no_later_dispatch_waiting(scripted, queue: str) -> None:
    gate = asyncio.Event()

    async def slow(messages: Any, store: Any) -> Enqueued:
        await gate.wait()
        return await store(messages)

    scripted.script.append(slow)
    first = asyncio.ensure_future(note(1).on_queue(queue).dispatch())
    while not scripted.calls:
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await note(2).on_queue(queue).dispatch()
    assert not first.done()
    gate.set()
    await first


async def _refuse(messages: Any, store: Any) -> Enqueued:
    raise BackendRefused("the table is locked")


@pytest.mark.asyncio
async def test_a_batch_that_is_refused_is_repeated_one_by_one(scripted, queue: str, stored) -> None:
    scripted.script.append(_refuse)
    handles = await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(5)))
    assert scripted.calls == [5, 1, 1, 1, 1, 1]
    assert {task.ref for task in await stored()} == {handle.ref for handle in handles}


class Small(MemoryDriver):
    """Takes no body over 200 bytes, and no delay over a minute."""

    name = "small"
    capabilities = replace(MemoryDriver.capabilities, max_body=200, max_delay=60)

    async def enqueue(self, messages: Any) -> Enqueued:
        check_messages(messages, self.capabilities)
        return await super().enqueue(messages)


@task
async def say(text: str) -> None: ...


@pytest.mark.asyncio
async def test_only_what_the_backend_cannot_take_fails(use, queue: str, stored) -> None:
    use(Small, name="small")
    calls = [say("a"), say("b" * 300), say("c").delay(61), say("d")]
    outcomes = await asyncio.gather(
        *(call.on_queue(queue).dispatch() for call in calls), return_exceptions=True
    )
    fine, too_large, too_late, fine_too = outcomes
    assert isinstance(too_large, InvalidMessage)
    assert isinstance(too_late, Unsupported)
    assert {task.ref for task in await stored()} == {fine.ref, fine_too.ref}  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_what_the_backend_names_as_failed_fails_alone(scripted, queue: str, stored) -> None:
    async def all_but_one(messages: Any, store: Any) -> Enqueued:
        answer = await store(messages[1:])
        return Enqueued(answer.stored, {messages[0].id: BackendRefused("this one")})

    scripted.script.append(all_but_one)
    outcomes = await asyncio.gather(
        *(note(n).on_queue(queue).dispatch() for n in range(4)), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["BackendRefused"] + [
        "TaskHandle"
    ] * 3
    assert len(await stored()) == 3


@pytest.mark.asyncio
async def test_an_error_that_no_driver_should_raise_reaches_every_caller(
    scripted, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(messages: Any, store: Any) -> Enqueued:
        raise ZeroDivisionError("a bug of the driver")

    scripted.script.append(broken)
    outcomes = await asyncio.gather(
        *(note(n).on_queue(queue).dispatch() for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 3
    here = threading.get_ident()  # on others, earlier tests may be about to end
    assert [record for record in caplog.records if record.thread == here] == []


@pytest.mark.asyncio
async def test_a_caller_who_is_cancelled_leaves_the_dispatch_running(
    scripted, queue: str, stored
) -> None:
    entered, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(messages: Any, store: Any) -> Enqueued:
        entered.set()
        await gate.wait()
        answer = await store(messages)
        done.set()
        return answer

    scripted.script.append(slow)
    callers = [asyncio.ensure_future(note(n).on_queue(queue).dispatch()) for n in range(3)]
    await entered.wait()
    callers[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await callers[0]
    gate.set()
    await done.wait()
    assert len({(await caller).id for caller in callers[1:]}) == 2
    assert len(await stored()) == 3


@pytest.mark.asyncio
async def test_closing_waits_for_dispatches_that_are_under_way(scripted, queue: str) -> None:
    async def slow(messages: Any, store: Any) -> Enqueued:
        await asyncio.sleep(0.05)
        return await store(messages)

    scripted.script.append(slow)
    under_way = asyncio.ensure_future(note(1).on_queue(queue).dispatch())
    while not scripted.calls:
        await asyncio.sleep(0)
    await asynctasq.close()
    assert (await under_way).queue == queue


@pytest.mark.asyncio
async def test_everything_is_checked_before_anything_is_sent(scripted, queue: str, stored) -> None:
    too_long = "q" * 200
    for text in (7, "\ud800", object()):
        with pytest.raises(ArgumentError, match="argument 'text'"):
            await say(text).on_queue(queue).dispatch()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="queue="):
        say("a").on_queue(too_long)
    assert scripted.calls == []


@pytest.mark.asyncio
async def test_a_driver_that_is_not_installed_is_named(memory, queue: str) -> None:
    with pytest.raises(DriverNotInstalled, match="'nonsense' is not installed"):
        await note(1).options(driver="nonsense").dispatch()


@pytest.mark.asyncio
async def test_dispatch_many_keeps_the_order(memory: MemoryDriver, queue: str) -> None:
    handles = await asynctasq.dispatch_many([note(n).on_queue(queue) for n in range(1500)])
    driver = MemoryDriver(None, Context())
    await driver.open()
    taken = await driver.dequeue([queue], limit=2000, wait=0)
    await driver.close()
    assert [delivery.id for delivery in taken] == [handle.id for handle in handles]
