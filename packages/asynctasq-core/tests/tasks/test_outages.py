"""A backend that is away is waited for; a lost reply is asked for again only where that is safe."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import task
from asynctasq.driver import Enqueued
from asynctasq.errors import (
    ArgumentError,
    BackendRefused,
    DriverUnavailable,
    OutcomeUnknown,
    PartlyEnqueued,
    Unsupported,
)
from asynctasq.memory import MemoryDriver


@task
async def note(number: int) -> int:
    return number


async def away(messages: Any, store: Any) -> Enqueued:
    raise DriverUnavailable("connection refused")


async def refuse(messages: Any, store: Any) -> Enqueued:
    raise BackendRefused("no such table")


async def lose_the_reply(messages: Any, store: Any) -> Enqueued:
    await store(messages)
    raise OutcomeUnknown(message.id for message in messages)


async def lose_the_request(messages: Any, store: Any) -> Enqueued:
    raise OutcomeUnknown(message.id for message in messages)


def not_idempotent(driver: Any) -> None:
    driver.capabilities = replace(MemoryDriver.capabilities, idempotent_enqueue=False)


def impatient(seconds: float = 0.2) -> None:
    asynctasq.init({"driver": "probe", "dispatch_timeout": seconds})


@pytest.mark.asyncio
async def test_a_backend_that_comes_back_in_time_stores_the_task_once(
    scripted, queue: str, stored
) -> None:
    scripted.script += [away, away, away]
    handles = await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(3)))
    assert scripted.calls == [3, 3, 3, 3]
    assert {task.ref for task in await stored()} == {handle.ref for handle in handles}


@pytest.mark.asyncio
async def test_a_backend_that_stays_away_is_an_error_after_dispatch_timeout(
    scripted, queue: str, stored
) -> None:
    impatient(1.0)
    scripted.script += [away] * 1000
    began = time.monotonic()
    with pytest.raises(DriverUnavailable, match="connection refused"):
        await note(1).on_queue(queue).dispatch()
    assert 1.0 <= time.monotonic() - began < 4
    assert 3 <= len(scripted.calls) <= 8  # ever more rarely: no hot loop
    assert await stored() == []


@pytest.mark.asyncio
async def test_the_error_keeps_what_the_client_library_said(scripted, queue: str) -> None:
    async def away(messages: Any, store: Any) -> Enqueued:
        raise DriverUnavailable("connection refused") from OSError(111, "port 5432")

    impatient(0)
    scripted.script += [away]
    with pytest.raises(DriverUnavailable) as raised:
        await note(1).on_queue(queue).dispatch()
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.asyncio
async def test_no_patience_is_one_try(scripted, queue: str) -> None:
    impatient(0)
    scripted.script += [away] * 2
    with pytest.raises(DriverUnavailable):
        await note(1).on_queue(queue).dispatch()
    assert scripted.calls == [1]


@pytest.mark.asyncio
async def test_a_backend_that_cannot_be_opened_yet_is_tried_again(use, queue: str, stored) -> None:
    class Starting(MemoryDriver):
        tries = 0

        async def open(self) -> None:
            Starting.tries += 1
            if Starting.tries < 3:
                raise DriverUnavailable("still starting")
            await super().open()

    use(Starting)
    await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(3)))
    assert Starting.tries == 3
    assert len(await stored()) == 3


@pytest.mark.parametrize("lost", [lose_the_reply, lose_the_request])
@pytest.mark.asyncio
async def test_a_lost_reply_is_asked_for_again_where_ids_are_recognised(
    scripted, queue: str, stored, lost: Any
) -> None:
    scripted.script += [lost, lost]
    handles = await asyncio.gather(*(note(n).on_queue(queue).dispatch() for n in range(3)))
    assert scripted.calls == [3, 3, 3]
    assert sorted(task.ref for task in await stored()) == sorted(handle.ref for handle in handles)


@pytest.mark.parametrize("lost", [lose_the_reply, lose_the_request])
@pytest.mark.asyncio
async def test_elsewhere_a_lost_reply_is_an_error_that_names_the_id_of_each(
    scripted, queue: str, stored, lost: Any
) -> None:
    not_idempotent(scripted)
    scripted.script.append(lost)
    errors = await asyncio.gather(
        *(note(n).on_queue(queue).dispatch() for n in range(3)), return_exceptions=True
    )
    assert scripted.calls == [3]
    assert all(isinstance(error, OutcomeUnknown) and len(error.ids) == 1 for error in errors)
    ids = {error.ids[0] for error in errors}  # type: ignore[union-attr]
    assert len(ids) == 3
    assert {task.ref.id for task in await stored()} == (ids if lost is lose_the_reply else set())
    assert all(str(error.ids[0]) in str(error) for error in errors)  # type: ignore[union-attr]


@pytest.mark.parametrize("then", [away, refuse])
@pytest.mark.asyncio
async def test_what_may_be_stored_is_never_reported_as_not_stored(
    scripted, queue: str, stored, then: Any
) -> None:
    impatient()
    scripted.script += [lose_the_reply] + [then] * 1000
    with pytest.raises(OutcomeUnknown) as raised:
        await note(1).on_queue(queue).dispatch()
    assert [task.ref.id for task in await stored()] == list(raised.value.ids)


@pytest.mark.asyncio
async def test_being_refused_is_not_tried_again(scripted, queue: str) -> None:
    scripted.script += [refuse] * 2
    with pytest.raises(BackendRefused, match="no such table"):
        await note(1).on_queue(queue).dispatch()
    assert scripted.calls == [1]


@pytest.mark.asyncio
async def test_many_are_all_stored_or_none_per_thousand(scripted, queue: str, stored) -> None:
    impatient()
    calls = [note(n).on_queue(queue) for n in range(2500)]

    async def store_it(messages: Any, store: Any) -> Enqueued:
        return await store(messages)

    scripted.script += [store_it] + [away] * 1000
    with pytest.raises(PartlyEnqueued) as raised:
        await asynctasq.dispatch_many(calls)
    error = raised.value
    assert (len(error.stored), len(error.not_stored), len(error.unknown)) == (1000, 1500, 0)
    assert [task.ref.id for task in await stored()] == list(error.stored)
    assert isinstance(error.__cause__, DriverUnavailable)
    assert set(scripted.calls) == {1000}


@pytest.mark.asyncio
async def test_many_whose_reply_was_lost_are_unknown_and_nothing_follows(
    scripted, queue: str, stored
) -> None:
    not_idempotent(scripted)

    async def store_it(messages: Any, store: Any) -> Enqueued:
        return await store(messages)

    scripted.script += [store_it, lose_the_reply]
    with pytest.raises(PartlyEnqueued) as raised:
        await asynctasq.dispatch_many([note(n).on_queue(queue) for n in range(3500)])
    error = raised.value
    assert [len(part) for part in (error.stored, error.unknown, error.not_stored)] == [
        1000,
        1000,
        1500,
    ]
    assert [task.ref.id for task in await stored()] == [*error.stored, *error.unknown]
    assert len({*error.stored, *error.unknown, *error.not_stored}) == 3500
    assert scripted.calls == [1000, 1000]


@pytest.mark.asyncio
async def test_many_of_which_the_backend_took_some_are_told_apart_in_order(
    scripted, queue: str, stored
) -> None:
    sent: list[Any] = []

    async def every_other(messages: Any, store: Any) -> Enqueued:
        sent.extend(message.id for message in messages)
        refused = {message.id: BackendRefused("odd") for message in reversed(messages[1::2])}
        return Enqueued((await store(messages[::2])).stored, refused)

    scripted.script.append(every_other)
    with pytest.raises(PartlyEnqueued) as raised:
        await asynctasq.dispatch_many([note(n).on_queue(queue) for n in range(6)])
    error = raised.value
    assert [task.ref.id for task in await stored()] == list(error.stored)
    assert (list(error.stored), list(error.not_stored)) == (sent[::2], sent[1::2])
    assert error.unknown == ()


@pytest.mark.parametrize("how", [away, refuse])
@pytest.mark.asyncio
async def test_many_of_which_none_is_stored_raise_the_error_itself(
    scripted, queue: str, how: Any
) -> None:
    impatient()
    scripted.script += [how] * 1000
    with pytest.raises((DriverUnavailable, BackendRefused)):
        await asynctasq.dispatch_many([note(n).on_queue(queue) for n in range(1500)])


@pytest.mark.asyncio
async def test_many_are_all_checked_before_the_first_is_sent(scripted, queue: str, stored) -> None:
    scripted.capabilities = replace(MemoryDriver.capabilities, max_delay=60, max_body=500)
    fine = [note(n).on_queue(queue) for n in range(1000)]
    with pytest.raises(Unsupported, match="delay 61"):
        await asynctasq.dispatch_many([*fine, note(1).on_queue(queue).delay(61)])
    with pytest.raises(ArgumentError):
        await asynctasq.dispatch_many([*fine, note("x")])  # type: ignore[arg-type]
    assert scripted.calls == []


@pytest.mark.asyncio
async def test_none_at_all_is_no_error(scripted) -> None:
    assert await asynctasq.dispatch_many([]) == []
    assert scripted.calls == []


def test_a_lost_reply_speaks_of_messages_only_where_it_was_about_some() -> None:
    assert str(OutcomeUnknown([], "the reply never came")) == "the reply never came"
    assert "1 message(s) may be stored" in str(OutcomeUnknown([UUID(int=1)]))
