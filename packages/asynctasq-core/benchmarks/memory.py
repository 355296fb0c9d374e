"""The floor of the memory driver: event loop tasks with no queue at all. `tools/README.md` tells
what a floor file is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

CLIENT = ("asyncio",)


def options(folder: Path, url: str | None) -> Mapping[str, str]:
    """Nothing: it lives in its process."""
    return {}


async def run(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """create_task and gather, 1,000 at a time."""
    yield 0
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        await asyncio.gather(*(asyncio.create_task(_nothing("x")) for _ in range(size)))
        yield size


async def _nothing(payload: str) -> None:
    pass


FLOORS = {"noop": run}


def wanted(options: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    """At most five times the time of a bare event loop task."""
    return {
        "noop-100": {"at_least": 0.2},
        "cpu": {"limit": 50},
        "io": {"at_least": 0.95},
        "waiting-20k": {"at_most": 1.2},
        "waiting-1m": {"at_most": 1.2},
        "idle-cpu": {"limit": 1},
        "rss": {"above": 20},
    }
