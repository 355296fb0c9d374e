"""How fast a sequence of steps goes, bounded in count and in time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from time import perf_counter

from tools.benchmarks.orders import Paced


async def pace(steps: AsyncGenerator[int], seconds: float) -> Paced:
    """Take steps until there are no more, or time is up. The first says that all is prepared."""
    count = 0
    try:
        await anext(steps)
        start = perf_counter()
        async for done in steps:
            count += done
            if perf_counter() - start >= seconds:
                break
        return Paced(count, perf_counter() - start)
    finally:
        await steps.aclose()
