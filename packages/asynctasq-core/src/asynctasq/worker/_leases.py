"""Leases of everything that this worker holds, renewed after a third of their time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from asynctasq.driver import Delivery, Driver
from asynctasq.errors import DriverError, DriverUnavailable
from asynctasq.worker._vitals import Backend

logger = logging.getLogger("asynctasq.worker")
_RETRIES = 20.0
"""After this part of a lease, a renewal that failed is tried again."""
_IDLE = 60.0
_LEAST = 0.02


class Held(Protocol):
    """Something that holds a delivery."""

    delivery: Delivery
    renew_at: float

    def leased(self, now: float) -> None:
        """Its lease was granted, at that time of the monotonic clock."""
        ...


class Leases:
    """Renews, in one call, whatever is due for it."""

    def __init__(
        self,
        driver: Driver,
        held: Callable[[], Iterable[Held]],
        on_lost: Callable[[Delivery], None],
        backend: Backend,
    ) -> None:
        self._driver = driver
        self._held = held
        self._on_lost = on_lost
        self._backend = backend
        self._looks_at = 0.0
        self._sooner = asyncio.Event()

    def notice(self, deliveries: Iterable[Delivery], now: float) -> None:
        """These are held from now on."""
        # A lease is renewed after a third of it: the shortest decides when to look next.
        if deliveries and now + min(d.lease for d in deliveries) / 3 < self._looks_at:
            self._sooner.set()

    async def run(self) -> None:
        """Renew, for ever."""
        while True:
            pause = await self._renew_due()
            self._looks_at = time.monotonic() + pause
            self._sooner.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._sooner.wait()

    async def _renew_due(self) -> float:
        """Renew what is due; returns seconds until the next is."""
        now = time.monotonic()
        due = [held for held in self._held() if held.renew_at <= now]
        if due:
            try:
                renewed = await self._driver.extend([held.delivery for held in due])
            except DriverError as error:
                if isinstance(error, DriverUnavailable):
                    self._backend.missed()
                logger.warning("%d leases could not be renewed: %s", len(due), error)
                for held in due:
                    held.renew_at = now + held.delivery.lease / _RETRIES
            else:
                self._backend.answered()
                for held in due:
                    held.leased(now)
                for delivery in renewed.lost:
                    self._on_lost(delivery)
        soonest = min((held.renew_at for held in self._held()), default=now + _IDLE)
        return min(max(soonest - time.monotonic(), _LEAST), _IDLE)
