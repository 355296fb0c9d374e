"""Retention: what has expired is cleared away by those who consume, some of it at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from asynctasq.errors import DriverError
from asynctasq_drivers.postgres._log import log

EVERY: Final = 10.0
"""Seconds from one look to the next."""
AT_ONCE: Final = 1_000
"""Rows of each table in one statement, so that none holds anybody up."""


async def sweep_for_ever(send: Callable[..., Coroutine[Any, Any, list[Any]]], sql: str) -> None:
    """Clear away, until cancelled. What cannot be cleared away now is cleared away later."""
    while True:
        try:
            while (await send(sql, AT_ONCE))[0][0] == AT_ONCE:
                await asyncio.sleep(0)
        except DriverError as error:
            log.warning("what has expired could not be cleared away: %s", error)
        await asyncio.sleep(EVERY)
