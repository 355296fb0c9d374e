"""Opening, closing, and what a driver says of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

from asynctasq.driver import (
    API,
    Ack,
    Capabilities,
    Driver,
    JoinsTransaction,
    ResultStore,
    SettlesInTransaction,
    TaskRef,
    TaskStore,
)
from asynctasq.errors import DriverClosed
from asynctasq.testing._footprint import Footprint
from asynctasq.testing._group import Group
from asynctasq.testing._rig import Rig

PROTOCOLS = (TaskStore, ResultStore, JoinsTransaction, SettlesInTransaction)


class Lifecycle(Group):
    """`Driver.open`, `Driver.close`, and the class attributes."""

    def test_it_says_what_it_is(self, bench: Rig) -> None:
        driver = bench.new()
        assert driver.name, "name is what users write as driver=..."
        major, minor = driver.api
        assert major == API[0], f"api {driver.api}: this core runs major {API[0]}"
        assert minor <= API[1], f"api {driver.api}: this suite knows {API} and what is older"
        assert isinstance(driver.capabilities, Capabilities)
        if self.driver_class is not None:
            assert isinstance(driver, self.driver_class), "new_driver makes something else"

    def test_an_instance_declares_no_more_than_its_class(self, bench: Rig) -> None:
        driver = bench.new()
        mine, of_class = driver.capabilities, type(driver).capabilities
        more = [
            name
            for name in Capabilities.__struct_fields__
            if getattr(mine, name) is True
            and getattr(of_class, name) is False
            and name != "process_local"  # it tells of less
        ]
        assert not more, f"an instance may declare less than its class, not more: {more}"
        assert mine.atomic <= of_class.atomic, "an instance is atomic where its class is not"

    def test_an_optional_protocol_is_whole_or_absent(self, bench: Rig) -> None:
        driver = bench.new()
        for protocol in PROTOCOLS:
            methods = {name for name in vars(protocol) if not name.startswith("_")}
            given = {name for name in methods if hasattr(driver, name)}
            assert given in (set(), methods), f"half of {protocol.__name__}: only {sorted(given)}"

    async def test_before_open_everything_raises_driver_closed(self, rig: Rig, queue: str) -> None:
        await self._all_closed(rig, rig.new(), queue)

    async def test_after_close_everything_raises_driver_closed(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        await driver.close()
        await self._all_closed(rig, driver, queue)
        with pytest.raises(DriverClosed):
            await driver.open()
        await rig.one(await rig.open(), queue, why="a closed driver sent something")

    async def _all_closed(self, rig: Rig, driver: Driver, queue: str) -> None:
        ref = TaskRef(queue, rig.message(queue).id)
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: driver.enqueue([rig.message(queue)]),
            lambda: driver.dequeue([queue], limit=1, wait=0),
            lambda: driver.settle([]),
            lambda: driver.extend([]),
            lambda: driver.stats([queue]),
            lambda: driver.purge(queue),
        ]
        if isinstance(driver, TaskStore):
            calls += [
                lambda: driver.get(ref),
                lambda: driver.list("dead", queue, 1),
                lambda: driver.retry_dead([ref]),
                lambda: driver.delete([ref]),
            ]
        if isinstance(driver, ResultStore):
            calls += [lambda: driver.result(ref, 0.0), lambda: driver.store([])]
        for call in calls:
            with pytest.raises(DriverClosed):
                await call()

    async def test_opening_twice_is_opening_once(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        await driver.open()
        assert (await driver.settle([Ack(held)])).lost == (), "the second open began anew"

    def test_concurrent_first_use_opens_once(self, bench: Rig) -> None:
        with self._opened(bench, 1) as one, self._opened(bench, 8) as many:
            deadline = monotonic() + self.patience  # for what begins or ends in the background
            while True:
                once, at_once = one.costs(many), many.costs()
                if all(n <= m for n, m in zip(at_once, once, strict=True)):
                    return
                assert monotonic() < deadline, (
                    f"8 calls of open at once left {at_once}, one leaves {once}: one pool, not five"
                )
                one.rest(self.quiet)
                many.rest(self.quiet)

    @contextmanager
    def _opened(self, bench: Rig, times: int) -> Generator[Footprint]:
        async def use() -> None:
            await asyncio.gather(*(driver.open() for _ in range(times)))
            await bench.put(driver, [bench.message(queue)])
            await driver.settle([Ack(await bench.one(driver, queue))])

        footprint, driver, queue = Footprint(), bench.new(), bench.queue()
        footprint.loop.run(use())
        try:
            yield footprint
        finally:
            footprint.loop.bury(driver)

    def test_closing_leaves_nothing_behind(self, bench: Rig, queue: str) -> None:
        footprint, driver = Footprint(), bench.new()
        loop = footprint.loop
        loop.run(driver.open())
        loop.run(driver.dequeue([queue], limit=1, wait=self.quiet))
        loop.run(driver.close())
        deadline = monotonic() + self.patience  # a connection may say goodbye
        footprint.rest(self.quiet)
        while any(footprint.costs()[:2]) and monotonic() < deadline:
            footprint.rest(self.quiet)
        left = footprint.costs()
        loop.bury(driver)
        assert left[:2] == (0, 0), f"close left {left} behind"
        while footprint.threads and monotonic() < deadline:
            time.sleep(self.quiet)
        assert not footprint.threads, f"close left behind: {footprint.threads}"

    async def test_closing_twice_and_at_once_and_unopened(self, rig: Rig, driver: Driver) -> None:
        await asyncio.gather(*(driver.close() for _ in range(4)))
        await driver.close()
        await rig.new().close()

    async def test_a_dequeue_that_waits_ends_with_close(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        waiting = asyncio.ensure_future(driver.dequeue([queue], limit=1, wait=60))
        await rig.nothing(driver, rig.queue(), "nothing was sent there")
        async with asyncio.timeout(2 * self.patience):
            await driver.close()
            assert await waiting == (), "a dequeue that waits ends with ()"

    async def test_a_message_that_comes_while_closing_is_kept(
        self, rig: Rig, second: Driver
    ) -> None:
        for queue in rig.queues(10):
            driver = await rig.open()
            waiting = asyncio.ensure_future(driver.dequeue([queue], limit=1, wait=60))
            await asyncio.sleep(0)
            sending = asyncio.ensure_future(rig.put(second, [rig.message(queue)]))
            await driver.close()
            await sending
            if await waiting == () or driver.capabilities.lease == "connection":
                await rig.one(second, queue, why="close swallowed a message that nobody was given")

    async def test_the_same_backend_for_every_instance(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(second, queue, why="new_driver gives drivers of one backend")
        await second.settle([Ack(held)])
