"""Bad input is refused before anything is sent, and what is declared as possible is possible."""

from __future__ import annotations

from typing import Any

import pytest

from asynctasq.driver import Ack, Driver
from asynctasq.errors import DriverError, InvalidMessage, Unsupported
from asynctasq.testing._group import Group
from asynctasq.testing._rig import Rig

BAD_NAMES = (
    "",
    " mail",
    "mail\n",
    "two words",
    "größe",
    "*",
    "{mail}",
    "-mail",
    "a/b",
    "mail'; DROP TABLE task_queue; --",
    "x" * 129,
    "nul\x00",
)
BAD_FIELDS: tuple[dict[str, Any], ...] = (
    {"delay": -1.0},
    {"delay": float("nan")},
    {"delay": float("inf")},
    {"visibility_timeout": 0.0},
    {"visibility_timeout": -1.0},
    {"visibility_timeout": float("nan")},
    {"visibility_timeout": float("inf")},
    {"attempt": 0},
)
BIG = 1 << 20
VERY_LONG = 10 * 365 * 24 * 3600.0


class Limits(Group):
    """`InvalidMessage` and `Unsupported`, and the capabilities that are numbers."""

    async def _refused(
        self, rig: Rig, driver: Driver, error: type[DriverError], *, queue: str, **bad: Any
    ) -> None:
        """A batch with one bad message is refused, and its good one is not stored."""
        good = rig.queue()
        batch = [rig.message(good), rig.message(queue, **bad)]
        with pytest.raises(error):
            await driver.enqueue(batch)
        await rig.nothing(driver, good, "a batch was refused, and part of it stored", wait=0.02)

    @pytest.mark.parametrize("name", BAD_NAMES)
    async def test_a_bad_queue_name_is_refused(self, rig: Rig, driver: Driver, name: str) -> None:
        await self._refused(rig, driver, InvalidMessage, queue=name)

    @pytest.mark.parametrize("bad", BAD_FIELDS, ids=str)
    async def test_a_number_out_of_range_is_refused(
        self, rig: Rig, driver: Driver, queue: str, bad: dict[str, Any]
    ) -> None:
        await self._refused(rig, driver, InvalidMessage, queue=queue, **bad)

    async def test_headers_have_a_longest(self, rig: Rig, driver: Driver, queue: str) -> None:
        headers = {"name": "x" * (8192 - 4)}
        await rig.put(driver, [rig.message(queue, headers=headers)])
        assert (await rig.one(driver, queue)).headers == headers, "8,192 characters are allowed"
        too_long = {"name": "x" * 8192}
        await self._refused(rig, driver, InvalidMessage, queue=queue, headers=too_long)

    async def test_one_id_twice_in_a_batch_is_refused(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        message = rig.message(queue)
        with pytest.raises(InvalidMessage):
            await driver.enqueue([message, rig.message(queue, id=message.id)])
        await rig.nothing(driver, queue, "the batch was refused")

    async def test_a_body_up_to_the_largest_is_kept(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        size = min(BIG, driver.capabilities.max_body or BIG)
        body = bytes(range(256)) * (size // 256) + b"\xff" * (size % 256)
        await rig.put(driver, [rig.message(queue, body)])
        assert (await rig.one(driver, queue)).body == body, f"{size} bytes are within max_body"

    async def test_a_body_beyond_the_largest_is_refused(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        largest = driver.capabilities.max_body
        if largest is None:
            await rig.put(driver, [rig.message(queue, bytes(4 * BIG))])
            assert len((await rig.one(driver, queue)).body) == 4 * BIG, "no limit is declared"
        else:
            await self._refused(rig, driver, InvalidMessage, queue=queue, body=bytes(largest + 1))

    async def test_a_delay_beyond_the_longest_is_unsupported(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        longest = driver.capabilities.max_delay
        if longest is not None:
            await self._refused(rig, driver, Unsupported, queue=queue, delay=longest + 1)
        else:
            await rig.put(driver, [rig.message(queue, delay=VERY_LONG)])

    async def test_a_lease_beyond_the_longest_is_unsupported(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        longest = driver.capabilities.max_lease
        if longest is not None:
            too_long = {"visibility_timeout": longest + 1}
            await self._refused(rig, driver, Unsupported, queue=queue, **too_long)
        else:
            await rig.put(driver, [rig.message(queue, visibility_timeout=VERY_LONG)])
            held = await rig.one(driver, queue)
            assert held.lease > VERY_LONG / 2 or driver.capabilities.lease == "connection", (
                "max_lease=None is declared: any lease is granted"
            )

    async def test_the_longest_lease_is_granted(self, rig: Rig, driver: Driver, queue: str) -> None:
        longest = driver.capabilities.max_lease
        if longest is not None:
            await rig.put(driver, [rig.message(queue, visibility_timeout=longest)])
            held = await rig.one(driver, queue)
            assert 0 < held.lease <= longest, "more was granted than can be"
            assert (await driver.settle([Ack(held)])).lost == ()

    @pytest.mark.parametrize("tail", ["a", "A.b_c:d-e", "1.2", "x" * 90])
    async def test_a_legal_name_works_or_is_refused(
        self, rig: Rig, driver: Driver, queue: str, tail: str
    ) -> None:
        name = f"{queue}.{tail}"
        try:
            await rig.put(driver, [rig.message(name, b"odd")])
        except InvalidMessage:
            return  # a driver whose backend allows less refuses the rest itself
        delivery = await rig.one(driver, name)
        assert (delivery.queue, delivery.body) == (name, b"odd")

    async def test_an_illegal_name_reaches_no_queue(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        for name in ("*", queue + "*", "' OR 1=1 --", queue[:-1] + "?", "%", queue + "\n"):
            for call in (driver.purge(name), driver.stats([name])):
                try:
                    await call
                except DriverError:
                    continue  # refusing it is as good as finding nothing there
            try:
                came = await driver.dequeue([name], limit=1, wait=0)
            except DriverError:
                continue
            assert came == (), f"dequeue of {name!r} took from another queue"
        await rig.one(driver, queue, why="purging a name that is no queue's emptied this one")

    async def test_after_a_refusal_the_driver_works_as_before(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        held = await rig.one(driver, queue)
        for _ in range(3):
            with pytest.raises(InvalidMessage):
                await driver.enqueue([rig.message("no queue's name")])
        assert (await driver.settle([Ack(held)])).lost == ()
        await rig.put(driver, [rig.message(queue)])
        await rig.one(driver, queue)
