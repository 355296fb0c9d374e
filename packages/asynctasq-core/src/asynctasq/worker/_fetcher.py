"""Fetching: keeps the slots full, and waits for a backend that is away."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Final

from asynctasq.driver import Driver
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq.worker._leases import Leases
from asynctasq.worker._slots import Slots
from asynctasq.worker._vitals import Backend

logger = logging.getLogger("asynctasq.worker")
_WAIT: Final = 5.0
"""Seconds of one waiting dequeue."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Fetcher:
    """Asks, in one call, for as much as there is a use for."""

    def __init__(
        self,
        driver: Driver,
        queues: tuple[str, ...],
        fair: bool,
        slots: Slots,
        leases: Leases,
        backend: Backend,
    ) -> None:
        self._driver = driver
        self._queues = queues
        self._fair = fair
        self._slots = slots
        self._leases = leases
        self._backend = backend

    async def run(self) -> None:
        """For ever; raises what trying again does not mend: `BackendRefused` and the like."""
        pause = _FIRST_PAUSE
        while True:
            await self._slots.room.wait()
            try:
                await self._fetch()
                pause = _FIRST_PAUSE
            except (DriverUnavailable, OutcomeUnknown) as error:
                self._backend.missed()
                # Of a lost reply: what it held comes back when its lease ends.
                logger.warning("nothing fetched, trying again: %s", error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _fetch(self) -> None:
        deliveries = await self._driver.dequeue(
            self._queues, limit=self._slots.wanted(), wait=_WAIT
        )
        self._backend.answered()
        if self._fair:
            self._queues = (*self._queues[1:], self._queues[0])
        if deliveries:
            now = time.monotonic()
            self._leases.notice(deliveries, now)
            self._slots.accept(deliveries, now)
