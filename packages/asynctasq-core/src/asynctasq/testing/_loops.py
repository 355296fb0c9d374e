"""Other threads with loops of their own, and clocks that go wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")


async def each_on_its_own_loop(works: list[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
    """Run each in a thread with a loop of its own, all at once."""
    here = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(works)) as threads:
        calls = [here.run_in_executor(threads, _run, work) for work in works]
        return await asyncio.gather(*calls)


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(work())


@contextmanager
def wall_clock_off_by(seconds: float) -> Generator[None]:
    """Let this process see another time of day; clocks that measure durations go on as before."""
    now, now_ns = time.time, time.time_ns
    with (
        patch("time.time", lambda: now() + seconds),
        patch("time.time_ns", lambda: now_ns() + int(seconds * 1e9)),
    ):
        yield
