"""Counts what a backend is sent by everybody, as far as it counts that itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import perf_counter
from typing import cast

from tools.benchmarks import floors
from tools.benchmarks.orders import Count, Counted
from tools.benchmarks.roles.options import given


async def count(order: Count) -> Counted:
    """Ask twice; what asking itself costs is known from asking twice more, at once."""
    backend = cast("floors.Counts", floors.load(Path(order.file)))
    before, start = await backend.commands(given()), perf_counter()
    await asyncio.sleep(order.seconds)
    after, seconds = await backend.commands(given()), perf_counter() - start
    asking = await backend.commands(given()) - after
    return Counted(max(0, after - before - asking), seconds)
