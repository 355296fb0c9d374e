"""What every test stands on: fresh queues, opened drivers that are closed again, bounded waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from time import monotonic
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import uuid4

from asynctasq.driver import Context, Delivery, Driver, Message

T = TypeVar("T")

NewDriver: TypeAlias = Callable[[Context], Driver]
"""Makes unopened drivers of one and the same backend, on any thread."""

LONG_LEASE = 60.0
"""Seconds: a lease that does not end during a test, so that its end cannot hide a loss."""

LONG_DELAY = 3600.0
"""Seconds: a delay that does not end during a test."""

TICK = 0.05
"""Seconds by which two clocks may differ about when something happened."""


class Stale(NamedTuple):
    """Messages whose first holder lost them to a second one."""

    holder: Driver
    """A driver that will try what it can with the old deliveries."""
    old: list[Delivery]
    owner: Driver
    new: list[Delivery]
    """The same messages in the same order, in the hands of ``owner``."""


class Rig:
    """Makes queues, messages and drivers, and takes messages with a deadline."""

    def __init__(self, make: NewDriver, lease: float, patience: float, quiet: float) -> None:
        self.make = make
        self.lease = lease
        self.patience = patience
        self.quiet = quiet
        self.long_wait: float = 12 * patience
        """Seconds to wait in a call that must end long before."""
        self.latest: Driver | None = None
        """The driver that was made last."""
        self._opened: list[Driver] = []

    def new(self, context: Context | None = None) -> Driver:
        """A driver that is not opened."""
        self.latest = self.make(context or Context())
        return self.latest

    async def open(self, context: Context | None = None) -> Driver:
        """An open driver, closed when the test ends."""
        driver = self.new(context)
        self._opened.append(driver)
        await driver.open()
        return driver

    @asynccontextmanager
    async def opened(self, context: Context | None = None) -> AsyncGenerator[Driver]:
        """An open driver for one block, for tests that run loops of their own."""
        driver = self.new(context)
        await driver.open()
        try:
            yield driver
        finally:
            await driver.close()

    async def close(self) -> None:
        """Close what `open` opened."""
        while self._opened:
            await self._opened.pop().close()

    def queue(self) -> str:
        """A queue name that nobody else uses, legal on every backend."""
        return f"suite-{uuid4().hex[:20]}"

    def queues(self, count: int) -> tuple[str, ...]:
        """Several of them, in no particular order."""
        return tuple(self.queue() for _ in range(count))

    def message(self, queue: str, body: bytes = b"payload", **fields: Any) -> Message:
        """A message with a lease that outlives the test, unless told otherwise."""
        fields.setdefault("visibility_timeout", self.long_lease())
        return Message(queue=queue, body=body, **fields)

    def messages(self, queue: str, count: int, **fields: Any) -> list[Message]:
        """Several messages with bodies of their own."""
        return [self.message(queue, b"payload %d" % n, **fields) for n in range(count)]

    def long_lease(self) -> float:
        """Seconds of the longest lease that the backend grants, up to `LONG_LEASE`."""
        longest = (self.latest or self.new()).capabilities.max_lease
        return LONG_LEASE if longest is None else min(longest, LONG_LEASE)

    def long_delay(self) -> float:
        """Seconds of the longest delay that the backend keeps, up to `LONG_DELAY`."""
        longest = (self.latest or self.new()).capabilities.max_delay
        return LONG_DELAY if longest is None else min(longest, LONG_DELAY)

    def runs_for(self, held: Iterable[Delivery]) -> float:
        """Seconds that leases just granted run for; 0 where connections decide, not time."""
        timed = (self.latest or self.new()).capabilities.lease == "timed"
        return max((delivery.lease for delivery in held), default=0.0) if timed else 0.0

    async def put(self, driver: Driver, messages: Iterable[Message]) -> list[Message]:
        """Store messages, all of them."""
        batch = list(messages)
        answer = await driver.enqueue(batch)
        assert set(answer.stored) == {m.id for m in batch}, (
            f"enqueue stored {len(answer.stored)} of {len(batch)} good messages: {answer.failed}"
        )
        return batch

    async def take(
        self,
        driver: Driver,
        queues: str | Sequence[str],
        count: int = 1,
        *,
        within: float | None = None,
        why: str = "what is due must be handed out",
    ) -> list[Delivery]:
        """Exactly ``count`` deliveries in time, in as many calls as it takes."""
        names = [queues] if isinstance(queues, str) else list(queues)
        taken: list[Delivery] = []
        seconds = self.patience if within is None else within
        deadline = monotonic() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(taken) < count and monotonic() < deadline:
                    # Far beyond the deadline: a last look at the end of the wait comes too late.
                    wait = seconds + self.long_wait
                    taken += await driver.dequeue(names, limit=count - len(taken), wait=wait)
        assert len(taken) == count, (
            f"{why}: {count} were to come within {seconds:g} s, {len(taken)} came"
        )
        return taken

    async def one(self, driver: Driver, queue: str | Sequence[str], **options: Any) -> Delivery:
        """The one delivery that is to come."""
        (delivery,) = await self.take(driver, queue, 1, **options)
        return delivery

    async def nothing(
        self, driver: Driver, queues: str | Sequence[str], why: str, wait: float | None = None
    ) -> None:
        """Nothing may come for a while."""
        names = [queues] if isinstance(queues, str) else list(queues)
        came = await driver.dequeue(names, limit=100, wait=self.quiet if wait is None else wait)
        assert came == (), f"{why}: yet {len(came)} came, the first is {came[0]}"

    async def hidden(
        self,
        driver: Driver,
        queue: str,
        why: str,
        *,
        held: Sequence[Delivery],
        ends: float,
        by: float,
    ) -> bool:
        """Nothing of ``held`` may come before its lease ends; look for it until ``by``.

        Both are seconds of the monotonic clock. False: on a slow machine the lease ended, and
        ``driver`` was rightly given the messages.
        """
        came = await driver.dequeue([queue], limit=len(held), wait=max(by - monotonic(), 0.0))
        early = ends - monotonic() if self.runs_for(held) else inf
        assert not came or early < TICK, f"{why}: yet {len(came)} came {early:.2f} s too early"
        return not came

    async def woken(
        self, driver: Driver, queues: str | Sequence[str], by: Callable[[], Awaitable[object]]
    ) -> tuple[Delivery, float]:
        """Let a consumer wait, do something, and see what it gets, and after how many seconds."""
        names = [queues] if isinstance(queues, str) else list(queues)
        call = driver.dequeue(names, limit=1, wait=self.long_wait)
        waiting = asyncio.ensure_future(call)
        await asyncio.wait((waiting,), timeout=self.quiet)
        assert not waiting.done(), "there was nothing to take yet"
        start = monotonic()
        await by()
        taken = await self.ended(waiting, "a message was due, and dequeue slept on")
        assert len(taken) == 1, "what came due while dequeue waited ends the wait"
        return taken[0], monotonic() - start

    async def ended(self, waiting: asyncio.Future[T], why: str) -> T:
        """What a call answers that waits for longer than this will wait for it."""
        done, _ = await asyncio.wait((waiting,), timeout=2 * self.patience)
        if not done:
            waiting.cancel()
            await asyncio.wait((waiting,))
        assert done, f"{why} for {2 * self.patience:g} s"
        return waiting.result()

    async def retake(self, holder: Driver, held: Sequence[Delivery], by: Driver) -> list[Delivery]:
        """Let the leases end and another driver take the messages, in the order of ``held``."""
        if holder.capabilities.lease == "connection":
            await holder.close()
        within = self.runs_for(held) + self.patience
        queues = list(dict.fromkeys(delivery.queue for delivery in held))
        why = "a message whose lease ended comes back by dequeue alone"
        again = await self.take(by, queues, len(held), within=within, why=why)
        found = {delivery.id: delivery for delivery in again}
        return [found[delivery.id] for delivery in held]

    async def stale(self, count: int, queue: str | None = None) -> Stale:
        """``count`` messages that one driver lost to another when their leases ended."""
        first, second = await self.open(), await self.open()
        name = queue or self.queue()
        await self.put(first, self.messages(name, count, visibility_timeout=self.lease))
        old = await self.take(first, name, count)
        new = await self.retake(first, old, second)
        # A receipt of a closed connection can only be tried on another one.
        holder = second if first.capabilities.lease == "connection" else first
        return Stale(holder, old, second, new)
