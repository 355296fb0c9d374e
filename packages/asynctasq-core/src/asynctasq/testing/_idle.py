"""What waiting for nothing costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from asynctasq.testing._doomed import DoomedLoop

IDLE = 0.3
"""Seconds of waiting for nothing."""
STEPS = 1000
"""Awaits in a second of waiting: room for fifty polls with a hop to a thread each."""
TURNS = 3
"""Other threads and the garbage collector cost CPU too, but not each time."""


def waits_idly(loop: DoomedLoop, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """See that a call which waits for `IDLE` seconds is no tight poll."""
    costs: list[float] = []
    for _ in range(TURNS):
        costs.append(_cost(loop, call))
        if costs[-1] < 0.6 * IDLE:
            return
    raise AssertionError(f"{sorted(costs)} s of CPU in {IDLE} s of waiting for nothing, each time")


def _cost(loop: DoomedLoop, call: Callable[[], Coroutine[Any, Any, object]]) -> float:
    before, cpu = loop.suspensions + loop.waits, time.process_time()
    loop.run(call())
    steps, cpu = loop.suspensions + loop.waits - before, time.process_time() - cpu
    assert steps < STEPS * IDLE, f"{steps} awaits in {IDLE} s of waiting: that is a tight poll"
    return cpu
