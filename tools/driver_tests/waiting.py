"""Waits with a bound: for what no event tells, and for calls that are refused or not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, TypeVar

import pytest

from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown

T = TypeVar("T")
Refusals = tuple[type[DriverError], ...]

PATIENCE: Final = 20.0
"""Seconds within which what was broken off goes on."""
CERTAIN: Final[Refusals] = (DriverUnavailable,)
"""Certainly nothing was done: safe to repeat, whatever the driver is."""
ANY: Final[Refusals] = (DriverUnavailable, OutcomeUnknown)
"""Perhaps it was done: what is repeated then has to be safe to repeat."""


async def until(reached: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds that no event tells."""
    deadline = monotonic() + seconds
    while not reached():
        assert monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)


async def again(
    call: Callable[[], Awaitable[T]],
    told: list[DriverError] | None = None,
    after: Refusals = ANY,
    seconds: float = PATIENCE,
) -> T:
    """Its answer, as soon as there is one; ``told`` receives the errors before that."""
    deadline = monotonic() + seconds
    while True:
        try:
            return await call()
        except after as error:
            if told is not None:
                told.append(error)
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


async def ends_in_time(call: Callable[[], Awaitable[object]], seconds: float) -> DriverError:
    """The error with which it ends, as nobody answers."""
    start = monotonic()
    with pytest.raises(ANY) as told:
        await call()
    assert monotonic() - start < seconds
    return told.value
