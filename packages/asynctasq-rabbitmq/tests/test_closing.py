"""A driver is closed in time in whatever state its broker is, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from time import monotonic
from typing import Any

import pytest

from asynctasq.driver import Failure, Message, Retry
from asynctasq.errors import DriverError
from asynctasq_drivers.rabbitmq import RabbitmqDriver, _client, _lifecycle
from tools.backends import Room

from .load import driver_on
from .servers import own
from .servers.proxy import Proxy, proxy

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]
IN_TIME = 5.0
"""Seconds: two for what is under way, one for a good-bye, and some for a slow machine."""


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds would do in place of ten, but for a test."""
    monkeypatch.setattr(_lifecycle, "LAST_WAIT", 2.0)
    monkeypatch.setattr(_client, "_GOOD_BYE", 1.0)


@pytest.fixture
def between(vhost: str) -> Iterator[Proxy]:
    with proxy(vhost) as made:
        yield made


def message() -> Message:
    return Message(queue="mail", body=b"some", visibility_timeout=60.0)


def sound(room: Room, between: Proxy) -> AbstractContextManager[None]:
    return nullcontext()


def cut(room: Room, between: Proxy) -> AbstractContextManager[None]:
    between.cut()
    return sound(room, between)


@contextmanager
def silent(room: Room, between: Proxy) -> Iterator[None]:
    between.swallow()
    yield
    between.heal()


def paused(room: Room, between: Proxy) -> AbstractContextManager[None]:
    return own.paused(room)


def alarmed(room: Room, between: Proxy) -> AbstractContextManager[None]:
    return own.alarm(room)


def forced(room: Room, between: Proxy) -> AbstractContextManager[None]:
    own.close_all_connections(room)
    return sound(room, between)


STATES: list[Callable[[Room, Proxy], AbstractContextManager[None]]] = [
    sound,
    cut,
    silent,
    paused,
    alarmed,
    forced,
]


async def calls_of(made: RabbitmqDriver) -> list[asyncio.Future[Any]]:
    """Some of each kind, begun."""
    (held,) = await made.dequeue(["mail"], limit=1, wait=10)
    coroutines: list[Any] = [
        made.dequeue(["mail"], limit=5, wait=60),
        made.dequeue(["other"], limit=5, wait=60),
        made.settle([Retry(held, 0.0, Failure("Error", ""))]),
        made.stats(["mail"]),
        *(made.enqueue([message()]) for _ in range(10)),
    ]
    return [asyncio.ensure_future(one) for one in coroutines]


@pytest.mark.parametrize("state", STATES)
async def test_it_ends_in_time_and_so_does_all_that_was_under_way(
    rabbitmq_server: Room,
    between: Proxy,
    stack: AsyncExitStack,
    state: Callable[[Room, Proxy], AbstractContextManager[None]],
) -> None:
    before = asyncio.all_tasks()
    async with driver_on(between.url) as made:
        await made.enqueue([message() for _ in range(3)])
        calls = await calls_of(made)
        trouble = await asyncio.to_thread(state, rabbitmq_server, between)
        await asyncio.to_thread(trouble.__enter__)
        start = monotonic()
    took = monotonic() - start
    print(f"closed after {took:.3f} s")
    done, late = await asyncio.wait(calls, timeout=1)
    if left := asyncio.all_tasks() - before:  # the client's own, which it has told to end
        _, left = await asyncio.wait(left, timeout=1)
    await asyncio.to_thread(trouble.__exit__, None, None, None)
    assert not late
    for call in done:
        error = call.exception()  # of no call that nobody has cancelled is that a cancellation
        assert error is None or isinstance(error, DriverError)
    assert took < IN_TIME
    assert not left
    await asyncio.to_thread(own.wait_for, lambda: not own.connections(rabbitmq_server), "no client")
