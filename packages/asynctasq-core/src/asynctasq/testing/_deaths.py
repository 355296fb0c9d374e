"""A driver for every place where a call can die, and a look at what they left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

from asynctasq.driver import Ack, Delivery, Driver, Message
from asynctasq.testing._doomed import MANY, DoomedLoop
from asynctasq.testing._rig import Rig

Kill: TypeAlias = Callable[[Driver], None]


@dataclass
class Death:
    """A driver that died during its call, or, the last of them, got through it."""

    loop: DoomedLoop
    driver: Driver
    queue: str
    sent: list[Message]
    held: list[Delivery]
    died: bool = False


Call: TypeAlias = Callable[[Death], Awaitable[Any]]


async def _all_of(call: Call, death: Death) -> None:
    """Made by the task that awaits it: the loop may die before, as something else suspends."""
    await call(death)


@dataclass(frozen=True)
class Doom:
    """What each driver finds before it dies: messages sent, some of them in its hands."""

    bench: Rig
    kill: Kill | None
    sent: int = 3
    held: int = 3
    before: Call | None = None
    """What it has got through by then."""

    @contextmanager
    def at_every_await(self, call: Call) -> Generator[list[Death]]:
        """Drivers that died at the first, second, ... await of a call; the last one survived."""
        deaths: list[Death] = []
        try:
            while not deaths or deaths[-1].died:
                assert len(deaths) < MANY, f"the call awaits more than {MANY} times"
                deaths.append(self._prepared())
                self._die(deaths[-1], call, after=len(deaths) - 1)
            if self._by_connection(deaths):
                deaths[-1].loop.run(deaths[-1].driver.close())  # so that its leases end too
            yield deaths
        finally:
            for death in deaths:
                death.loop.bury(death.driver)

    def _prepared(self) -> Death:
        loop, driver, queue = DoomedLoop(), self.bench.new(), self.bench.queue()
        messages = self.bench.messages(queue, self.sent, visibility_timeout=self.bench.lease)
        loop.run(driver.open())
        loop.run(self.bench.put(driver, messages))
        held = loop.run(self.bench.take(driver, queue, self.held))
        death = Death(loop, driver, queue, messages, held)
        if self.before is not None:
            loop.run(_all_of(self.before, death))
        return death

    def _die(self, death: Death, call: Call, after: int) -> None:
        death.died = death.loop.run_until_death(_all_of(call, death), after)
        if death.died and self.kill is not None:
            self.kill(death.driver)

    @staticmethod
    def _by_connection(deaths: list[Death]) -> bool:
        return deaths[0].driver.capabilities.lease == "connection"

    def survey(
        self, deaths: Iterable[Death], at_least: Callable[[Death], int]
    ) -> list[tuple[Death, list[Delivery]]]:
        """What the queues of the dead hand out, once all their leases have ended."""
        return asyncio.run(self._survey(list(deaths), at_least))

    async def _survey(
        self, deaths: list[Death], at_least: Callable[[Death], int]
    ) -> list[tuple[Death, list[Delivery]]]:
        found: dict[str, list[Delivery]] = {death.queue: [] for death in deaths}
        held = [delivery for death in deaths for delivery in death.held]
        # A call that died may hold what nobody was told of.
        longest = self.bench.runs_for(held) or self.bench.lease
        end = monotonic() + longest + 2 * self.bench.quiet
        async with self.bench.opened() as driver:
            while True:
                missing = any(len(found[death.queue]) < at_least(death) for death in deaths)
                left = end + self.bench.patience * missing - monotonic()
                came = await driver.dequeue(list(found), limit=1000, wait=max(left, 0.0))
                if not came and left <= 0:
                    return [(death, found[death.queue]) for death in deaths]
                end = max(end, monotonic() + self.bench.quiet) if came else end
                lost = (await driver.settle([Ack(delivery) for delivery in came])).lost
                for delivery in came:
                    if delivery not in lost:  # a slow machine; it comes again
                        found[delivery.queue].append(delivery)
