"""Outcomes of different kinds on ways of their own, where one kind may have to wait for long.

A backend that settles by copies may take acknowledgements while it takes no copy, as when a broker
is short of memory. What was only to be acknowledged must not wait behind a retry then: it is what
makes room again.
"""

from __future__ import annotations

import asyncio

from asynctasq.driver import Driver, Outcome, ResultStore
from asynctasq.worker._settler import OnSettled, Settler
from asynctasq.worker._vitals import Backend


class Lanes:
    """As one `Settler`: for what is settled in one step, and for the rest."""

    def __init__(
        self,
        driver: Driver,
        results: ResultStore | None,
        backend: Backend,
        completed_ttl: float | None,
    ) -> None:
        self._in_one_step = driver.capabilities.atomic
        self._by_name = {
            in_one_step: Settler(driver, results, backend, completed_ttl)
            for in_one_step in (True, False)
        }

    def add(self, outcome: Outcome) -> None:
        """Settle this, soon."""
        self._by_name[outcome.name in self._in_one_step].add(outcome)

    async def drained(self, seconds: float) -> None:
        """Wait until everything is settled; what is not in time is left to its lease."""
        await asyncio.gather(*(settler.drained(seconds) for settler in self._by_name.values()))

    async def run(self, on_settled: OnSettled) -> None:
        """Settle, for ever, and tell of each batch what was settled and what was lost."""
        await asyncio.gather(*(settler.run(on_settled) for settler in self._by_name.values()))
