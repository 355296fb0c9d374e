"""Tasks under way while something goes wrong, and an account of what became of each."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, chdir
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import msgspec

import asynctasq
from asynctasq.codec import Envelope, encode_envelope
from asynctasq.driver import Context, Failure, Message, Secret
from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq.worker import Worker
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions

T = TypeVar("T")

NAME: Final = "postgres.faults.note"
BODY: Final = encode_envelope(
    Envelope(
        1, NAME, msgspec.Raw(msgspec.msgpack.encode({})), 3, "fixed", 0.0, 0.0, None, None, True
    )
)
"""What a producer elsewhere sends for `note`."""
PATIENCE: Final = 20.0
"""Seconds within which what was broken off goes on."""

_runs: Final[defaultdict[UUID, list[float]]] = defaultdict(list)


@asynctasq.task(name=NAME)
async def note() -> None:
    """Keeps when it ran."""
    _runs[asynctasq.current().id].append(monotonic())


async def until(reached: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds that no event tells."""
    deadline = monotonic() + seconds
    while not reached():
        assert monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)


async def again(call: Callable[[], Awaitable[T]], told: list[DriverError] | None = None) -> T:
    """Its answer, as soon as there is one: what is repeated has to be safe to repeat."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return await call()
        except (DriverUnavailable, OutcomeUnknown) as error:
            if told is not None:
                told.append(error)
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


class Load:
    """A producer that goes on by itself, and what it and the workers were told."""

    def __init__(self, driver: PostgresDriver, queue: str, lease: float) -> None:
        self.driver = driver
        self.queue = queue
        self.lease = lease
        self.confirmed: list[Message] = []
        """In their order."""
        self.told: list[DriverError] = []
        """The errors of the producer."""
        self._stopped = False
        self.producing = asyncio.ensure_future(self._produce())

    def message(self, delay: float = 0.0) -> Message:
        return Message(queue=self.queue, body=BODY, delay=delay, visibility_timeout=self.lease)

    async def _produce(self) -> None:
        """A few tasks every now and then, each sent again until it is confirmed."""
        while not self._stopped:
            # So that at any time some are confirmed that have not run yet.
            batch = [self.message(delay) for delay in (0.0, 0.0, 0.0, 1.0)]
            await again(partial(self.driver.enqueue, batch), self.told)
            self.confirmed += batch
            await asyncio.sleep(0.01)

    async def goes_on(self, count: int = 40) -> float:
        """Wait until so many that were sent from now on have run; returns the seconds it took."""
        start, known = monotonic(), len(self.confirmed)
        await self._until(lambda: len(self.confirmed) > known + count, "producing goes on")
        awaited = [m for m in self.confirmed[known : known + count] if not m.delay]
        await self._until(lambda: all(m.id in _runs for m in awaited), "consuming goes on")
        return monotonic() - start

    async def first_run_after(self, moment: float) -> float:
        """When anything ran again, whether its sender was told that it is stored or not."""

        def after() -> list[float]:
            return [time for times in tuple(_runs.values()) for time in times if time > moment]

        await self._until(after, "consuming goes on")
        return min(after())

    async def _until(self, reached: Callable[[], Any], what: str) -> None:
        """While the producer goes on, too; else its own error is raised."""
        await until(lambda: reached() or self.producing.done(), what)
        if self.producing.done():
            self.producing.result()

    async def ends(self) -> None:
        """Send nothing more. All that was confirmed is completed, and none is left."""
        self._stopped = True
        await until(self.producing.done, "the last is confirmed")
        self.producing.result()
        for message in self.confirmed:
            record = await again(partial(self.driver.result, message.ref, PATIENCE))
            assert record, f"{message.id} is lost, or has not ended"
            assert record.state == "completed"
            assert not isinstance(record.value, Failure), "its outcome was refused at first"
        (left,) = await again(partial(self.driver.stats, [self.queue]))
        assert (left.pending, left.scheduled, left.running, left.dead) == (0, 0, 0, 0)

    def run_again(self) -> dict[UUID, list[float]]:
        """Those that have run several times, and when."""
        ran = {message.id: _runs[message.id] for message in self.confirmed}
        return {id: times for id, times in ran.items() if len(times) > 1}


@asynccontextmanager
async def driver_on(url: str, **options: Any) -> AsyncGenerator[PostgresDriver]:
    """One that is open."""
    driver = PostgresDriver(PostgresOptions(postgres_dsn=Secret(url), **options), Context())
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def under_load(
    url: str, *, lease: float, workers: int = 2, **options: Any
) -> AsyncGenerator[Load]:
    """A producer and workers on a queue of their own, which are at work when the block begins."""
    queue = f"load-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        stack.enter_context(chdir(stack.enter_context(tempfile.TemporaryDirectory())))
        asynctasq.init({"driver": "postgres", "postgres_dsn": url, "max_losses": 100, **options})
        stack.push_async_callback(asynctasq.close)
        driver = await stack.enter_async_context(driver_on(url, **options))
        for _ in range(workers):
            await stack.enter_async_context(Worker([queue]))
        load = Load(driver, queue, lease)
        try:
            await load.goes_on()
            yield load
        finally:
            load.producing.cancel()
            await asyncio.wait((load.producing,))
