"""Several consumers that share one task: to take and acknowledge everything, each message once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from time import monotonic

from asynctasq.driver import Ack, Delivery, Driver, Message
from asynctasq.testing._rig import Rig


class Crew:
    """What consumers, on any loops and threads, took together."""

    def __init__(self, rig: Rig, queue: str, expected: int, *, leases_end_in: float = 0.0) -> None:
        self._rig = rig
        self._queue = queue
        self._expected = expected
        self._short = leases_end_in > 0
        self._deadline = monotonic() + leases_end_in + rig.patience
        self.taken: list[Delivery] = []

    async def work(self, driver: Driver) -> None:
        """Take and acknowledge, until all is done and a while has passed, or the time is up."""
        while monotonic() < self._deadline:
            got = await driver.dequeue([self._queue], limit=3, wait=self._rig.quiet)
            lost = (await driver.settle([Ack(delivery) for delivery in got])).lost
            # A short lease may end on a slow machine; another consumer has the message then.
            assert self._short or not lost, "while its lease ran, another consumer was given it"
            self.taken += [delivery for delivery in got if delivery not in lost]
            if len(self.taken) >= self._expected:
                self._deadline = min(self._deadline, monotonic() + self._rig.quiet)

    async def worker(self) -> None:
        """The same with a driver of its own, for threads."""
        async with self._rig.opened() as driver:
            await self.work(driver)

    def each_once(self, sent: Iterable[Message], why: str) -> None:
        """Every message was taken by one consumer."""
        counts = Counter(delivery.id for delivery in self.taken)
        ids = {message.id for message in sent}
        lost, twice = ids - set(counts), [n for n in counts.values() if n > 1]
        assert not lost, f"{why}: {len(lost)} of {len(ids)} messages were lost"
        assert not twice, f"{why}: {len(twice)} of {len(ids)} messages came several times"
        assert set(counts) == ids, f"{why}: a message came that was never sent"
