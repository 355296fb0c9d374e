"""What the tests of events share: a backend, an emitter that remembers, and a bounded wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asynctasq.events import Event


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
