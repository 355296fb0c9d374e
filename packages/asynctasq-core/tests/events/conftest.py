"""What the tests of events share: a backend, an emitter that remembers, and a bounded wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

import asynctasq
from asynctasq.driver import Context
from asynctasq.events import Event
from asynctasq.memory import MemoryDriver


@pytest.fixture
def queue() -> str:
    """A queue that nobody else uses: all memory drivers share one store."""
    return f"queue-{uuid4().hex}"


@pytest_asyncio.fixture
async def memory(clean: Path) -> AsyncIterator[MemoryDriver]:
    """The memory backend, configured; a driver to look into it."""
    asynctasq.init({"driver": "memory"})
    driver = MemoryDriver(None, Context())
    await driver.open()
    yield driver
    await driver.close()
    await asynctasq.close()


class Recorder:
    """An emitter that keeps what it was told, and where."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.threads: set[str] = set()
        self.closed = 0

    async def emit(self, events: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self.batches.append(list(events))

    async def close(self) -> None:
        self.closed += 1

    @property
    def events(self) -> list[Event]:
        """Everything, in order."""
        return [event for batch in self.batches for event in batch]

    def names(self, prefix: str = "") -> list[str]:
        """What happened, in order."""
        return [event.name for event in self.events if event.name.startswith(prefix)]


@pytest.fixture
def recorder() -> Recorder:
    """An emitter, to be given to init() or to a bus."""
    return Recorder()


def reached(condition: Callable[[], Any], seconds: float = 5.0) -> bool:
    """Wait, blocking, until something holds that another thread does."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    return bool(condition())


@pytest.fixture(name="reached")
def _reached() -> Callable[..., bool]:
    return reached


@pytest.fixture
def until() -> Callable[..., Awaitable[bool]]:
    """`reached`, for tests on a loop."""

    async def wait(condition: Callable[[], Any]) -> bool:
        return await asyncio.to_thread(reached, condition)

    return wait
