"""What the tests of the worker share: a backend, drivers made for one test, and a look inside."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest

import asynctasq
from asynctasq import plugins
from asynctasq.driver import Message
from asynctasq.events import Event
from asynctasq.memory import MemoryDriver


@pytest.fixture
def use(memory: MemoryDriver, site: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a driver class as a distribution would, and configure it."""

    def install(driver: type, **options: Any) -> None:
        module: Any = ModuleType("asynctasq_test_driver")
        module.Driver = driver
        monkeypatch.setitem(sys.modules, module.__name__, module)
        site.install("probe", points={plugins.DRIVERS: {"probe": f"{module.__name__}:Driver"}})
        asynctasq.init({"driver": "probe", **options})

    return install


class ShortLeases(MemoryDriver):
    """Grants a fraction of a second, whatever is asked for, and counts what is asked of it."""

    name = "probe"
    lease = 0.1

    async def enqueue(self, messages: Any) -> Any:
        return await super().enqueue([_shortened(message, self.lease) for message in messages])


def _shortened(message: Message, lease: float) -> Message:
    return Message(
        id=message.id,
        queue=message.queue,
        body=message.body,
        delay=message.delay,
        visibility_timeout=lease,
    )


@pytest.fixture
def short_leases(use: Callable[..., None]) -> type[ShortLeases]:
    """The configured driver grants leases of a tenth of a second."""
    driver = type("OfThisTest", (ShortLeases,), {})
    use(driver)
    return driver


class Recorder:
    """An emitter that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, events: Any) -> None:
        self.events += events

    async def close(self) -> None:
        """Nothing is held."""

    def names(self) -> list[str]:
        """What happened to tasks, in order."""
        return [event.name for event in self.events if event.name.startswith("task_")]


@pytest.fixture
def recorder() -> Recorder:
    """An emitter, to be given to init()."""
    return Recorder()


async def until(reached: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until something holds that no event tells."""
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0.005)


@pytest.fixture(name="until")
def _until() -> Callable[..., Awaitable[None]]:
    return until
