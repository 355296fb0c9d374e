"""A lease that a task asks for, on a backend that grants all of them the same."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from msgspec.structs import replace

import asynctasq
from asynctasq import task
from asynctasq.config import ConfigWarning
from asynctasq.memory import MemoryDriver
from asynctasq.tasks import _one_lease


@task(name="one_lease.asks", visibility_timeout=120)
async def asks() -> None: ...


@task(name="one_lease.plain")
async def plain() -> None: ...


@pytest.fixture
def granting(use: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Configure a driver that declares these leases; nothing was said in this process yet."""
    monkeypatch.setattr(_one_lease, "_looked_at", set())

    def configure(name: str, lease: str, per_message: bool = False) -> None:
        can = replace(MemoryDriver.capabilities, lease=lease, per_message_lease=per_message)
        use(type("OfThisTest", (MemoryDriver,), {"name": name, "capabilities": can}), name=name)

    return configure


@pytest.mark.asyncio
async def test_where_the_lease_is_the_connection_one_warning_says_so(granting, queue: str) -> None:
    granting("broker", "connection")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            await asks().on_queue(queue).dispatch()
            await plain().on_queue(queue).visibility_timeout(30).dispatch()
    (only,) = told
    assert only.category is ConfigWarning
    text = str(only.message)
    assert "visibility_timeout=120 of task 'one_lease.asks'" in text
    assert "driver 'broker'" in text
    assert "lasts as long as the worker lives" in text


@pytest.mark.asyncio
async def test_where_a_queue_has_one_lease_one_warning_says_so(granting, queue: str) -> None:
    granting("lines", "timed")
    with pytest.warns(ConfigWarning, match="'one_lease.plain' .* one length for a whole queue"):
        await plain().on_queue(queue).options(visibility_timeout=30).dispatch()


@pytest.mark.asyncio
async def test_each_driver_is_warned_of_by_itself(granting, queue: str) -> None:
    granting("lines", "timed")
    with pytest.warns(ConfigWarning, match="'lines'"):
        await asks().on_queue(queue).dispatch()
    granting("broker", "connection")
    with pytest.warns(ConfigWarning, match="'broker'"):
        await asynctasq.dispatch_many([asks().on_queue(queue)])


@pytest.mark.asyncio
async def test_who_asks_for_nothing_or_can_have_it_is_not_warned(granting, queue: str) -> None:
    granting("broker", "connection")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await plain().on_queue(queue).dispatch()
        granting("own", "timed", per_message=True)
        await asks().on_queue(queue).dispatch()
