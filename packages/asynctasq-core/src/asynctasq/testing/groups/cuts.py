"""Connections are cut and healed: clear errors meanwhile, and everything once afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from asynctasq.driver import Ack, Driver, ResultStore, TaskStore
from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq.testing._group import needs
from asynctasq.testing._outage import OutageGroup
from asynctasq.testing._outcomes import one_of_each
from asynctasq.testing._rig import Rig

AWAY = (DriverUnavailable, OutcomeUnknown)


async def failure_of(call: Callable[[], Awaitable[object]]) -> Exception | None:
    """How a call says that the backend is away; None: it answered. Nothing else may leave it."""
    try:
        await call()
    except AWAY as error:
        return error
    return None


@needs("cut_backend")
class Cuts(OutageGroup):
    """The hook ``cut_backend``."""

    def _cut(self) -> AbstractAsyncContextManager[None]:
        cut: AbstractAsyncContextManager[None] = self.cut_backend()
        return cut

    async def test_what_could_not_be_sent_was_not_stored(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        batch = rig.messages(queue, 3)
        allowed: set[object] = set()
        async with self._cut(), asyncio.timeout(self.outage):
            try:
                await driver.enqueue(batch)
            except DriverUnavailable:
                pass  # certainly not stored
            except OutcomeUnknown as unknown:
                allowed = set(unknown.ids)
                assert allowed <= {m.id for m in batch}, "it names what may be stored"
            else:
                pytest.fail("enqueue confirmed what cannot have reached the backend")
        await self._until_it_works(lambda: driver.stats([queue]))
        came = await driver.dequeue([queue], limit=10, wait=self.lease)
        assert {d.id for d in came} <= allowed, "DriverUnavailable: certainly not stored"

    async def test_only_driver_errors_leave(self, rig: Rig, driver: Driver, queue: str) -> None:
        await rig.put(driver, rig.messages(queue, 2))
        held = await rig.take(driver, queue, 2)
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: driver.dequeue([queue], limit=1, wait=self.lease),
            lambda: driver.extend(held),
            lambda: driver.stats([queue]),
            lambda: driver.purge(queue),
        ]
        if isinstance(driver, ResultStore):
            calls += [lambda: driver.result(held[0].ref, self.lease), lambda: driver.store([])]
        if isinstance(driver, TaskStore):
            calls += [lambda: driver.get(held[0].ref), lambda: driver.list("dead", queue, 1)]
        async with self._cut(), asyncio.timeout(self.outage):
            for call in calls:
                error = await failure_of(call)
                assert error is None or error.__cause__ is not None, (
                    f"{error!r} is not raised from the client library's own error"
                )

    async def test_the_same_instance_goes_on_after_a_cut(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        async with self._cut():
            pass
        came = await self._take(driver, queue, 1)
        await self._until_it_works(lambda: driver.settle([Ack(came[0])]))
        message = rig.message(queue)
        await self._until_it_works(lambda: driver.enqueue([message]))
        assert (await self._take(driver, queue, 1))[0].id == message.id

    async def test_a_waiting_dequeue_hears_again_after_a_cut(
        self, rig: Rig, driver: Driver, second: Driver, queue: str
    ) -> None:
        waiting = asyncio.ensure_future(self._take(driver, queue, 1))
        await rig.nothing(second, rig.queue(), "nothing was sent there")
        async with self._cut():
            await asyncio.sleep(self.quiet)
        message = rig.message(queue)
        await self._until_it_works(lambda: second.enqueue([message]))
        assert (await waiting)[0].id == message.id, "one exception ended a consumer for good"

    async def test_outcomes_kept_through_the_cut_happen_once(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, rig.messages(queue, 4))
        outcomes = one_of_each(await rig.take(driver, queue, 4))
        async with self._cut(), asyncio.timeout(self.outage):
            try:
                answer = await driver.settle(outcomes)
            except AWAY:
                pass
            else:
                assert driver.capabilities.lease == "connection", "settled without the backend"
                named = {d.id for d in answer.lost}
                assert named == {o.delivery.id for o in outcomes}, (
                    "the leases ended with the connection: all are lost, or it is away"
                )
        await self._until_it_works(lambda: driver.settle(outcomes))
        if driver.capabilities.lease == "connection":
            came = await self._take(driver, queue, 4)
            assert {d.attempt for d in came} == {1}, "the leases had ended with the connection"
        else:
            came = await self._take(driver, queue, 2)
            assert sorted(d.attempt for d in came) == [1, 2], "repeated, each outcome happens once"
        await rig.nothing(driver, queue, "each outcome happened once")

    async def test_a_receipt_from_before_the_cut_opens_nothing_new(
        self, rig: Rig, driver: Driver, queue: str
    ) -> None:
        await rig.put(driver, [rig.message(queue)])
        (old,) = await self._take(driver, queue, 1)
        async with self._cut():
            pass
        if driver.capabilities.lease == "connection":
            (new,) = await self._take(driver, queue, 1)
            await driver.settle([Ack(old)])
            answer = await driver.settle([Ack(new)])
            assert answer.lost == (), "a receipt of a closed connection ended another delivery"
        else:
            answer = await self._until_it_works(lambda: driver.settle([Ack(old)]))
            assert answer.lost == (), "a timed lease does not end with the connection"
        await rig.nothing(driver, queue, "it was acknowledged")

    async def test_opening_fails_clearly_and_may_be_tried_again(self, rig: Rig, queue: str) -> None:
        driver = rig.new()

        async def first_use() -> None:
            await driver.open()  # it may connect only when it has something to send
            await driver.enqueue([rig.message(queue)])

        try:
            async with self._cut(), asyncio.timeout(self.outage):
                with pytest.raises(DriverUnavailable):
                    await first_use()
            await self._until_it_works(driver.open)
            await self._until_it_works(lambda: driver.stats([queue]))
        finally:
            await driver.close()

    async def test_closing_never_raises(self, rig: Rig, driver: Driver, queue: str) -> None:
        waiting = asyncio.ensure_future(driver.dequeue([queue], limit=1, wait=60))
        await rig.nothing(driver, rig.queue(), "nothing was sent there")
        async with self._cut(), asyncio.timeout(self.outage):
            await driver.close()
            try:
                assert await waiting == ()
            except DriverError:
                return  # the cut reached it before the close did
