"""What the groups about outages share: patience with a backend that was away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import ClassVar, TypeVar

from asynctasq.driver import Delivery, Driver
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq.testing._group import Group
from asynctasq.testing._rig import Rig

T = TypeVar("T")


class OutageGroup(Group):
    """Calls are made again, as the core does, until the backend is found again."""

    outage: ClassVar[float] = 30.0
    """Seconds after which a driver must have found it."""

    async def _until_it_works(self, call: Callable[[], Awaitable[T]]) -> T:
        deadline = monotonic() + self.outage
        while True:
            try:
                return await call()
            except (DriverUnavailable, OutcomeUnknown):
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(self.quiet)

    async def _take(self, driver: Driver, queue: str, count: int) -> list[Delivery]:
        taken: list[Delivery] = []

        async def dequeue() -> tuple[Delivery, ...]:
            return await driver.dequeue([queue], limit=count - len(taken), wait=self.lease)

        deadline = monotonic() + self.outage
        while len(taken) < count and monotonic() < deadline:
            taken += await self._until_it_works(dequeue)
        assert len(taken) == count, f"{count} were to come after the outage, {len(taken)} came"
        return taken

    async def _reopened(self, rig: Rig) -> Driver:
        """A new driver, as soon as the backend can be reached."""
        return await self._until_it_works(rig.open)
