"""Numbers are true or None: those of AMQP at once, those of the management plugin in its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from asynctasq.driver import Ack, QueueStats, Secret
from asynctasq_drivers.rabbitmq._browsing import view
from asynctasq_drivers.rabbitmq._client import Connection
from tools.backends import Room

from .drivers import buried, message, opened, taken
from .servers import own

pytestmark = pytest.mark.asyncio
_CONF = "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management_port}\n"
_SOON = "[{rabbit, [{quorum_tick_interval, 100}]}]."


@pytest.fixture(scope="module")
def managed() -> Iterator[Room]:
    with own.server(_CONF, ("rabbitmq_management",), _SOON) as room:
        yield room


def place(room: Room, password: str = "guest") -> Any:
    return Secret(own.management_url(room).replace("://", f"://guest:{password}@"))


async def buried_by_another(url: str, count: int) -> None:
    """Who has left then: to nobody is anything pushed that it gives back a second later."""
    async with opened(url) as driver:
        await buried(driver, count)


async def stats_of(driver: Any) -> QueueStats:
    (stats,) = await driver.stats(["mail"])
    return stats


async def in_time(driver: Any, wanted: QueueStats) -> None:
    async with asyncio.timeout(10):
        while (seen := await stats_of(driver)) != wanted:
            assert seen.dead in (wanted.dead, None)
            await asyncio.sleep(0.05)


async def test_without_the_plugin_what_amqp_does_not_count_is_none(vhost: str) -> None:
    async with opened(vhost) as driver, opened(vhost) as worker:
        assert await driver.stats() == ()
        await buried_by_another(vhost, 2)
        await driver.enqueue([message(), message(), message(delay=60)])
        (held,) = await worker.dequeue(["mail"], limit=1, wait=5)
        assert await driver.stats() == (QueueStats("mail", 1, None, None, 2, None),)
        assert not (await worker.settle([Ack(held)])).lost
        assert await driver.stats(["never seen"]) == (
            QueueStats("never seen", 0, None, None, 0, None),
        )


async def test_dead_letters_that_somebody_looks_at_are_not_counted_as_none(vhost: str) -> None:
    looker = Connection(vhost, "somebody who looks")
    await looker.open()
    async with opened(vhost) as driver:
        await buried(driver, 3)
        async with view(looker, "mail/dead") as found:
            assert len(found.messages) == 3
            assert (await stats_of(driver)).dead is None
        await in_time(driver, QueueStats("mail", 0, None, None, 3, None))
    await looker.close()


async def test_with_the_plugin_what_runs_and_what_is_looked_at_is_known(managed: Room) -> None:
    with own.vhost_of(managed) as url:
        looker = Connection(url, "somebody who looks")
        await looker.open()
        async with opened(url, management_url=place(managed)) as driver:
            await buried(driver, 3)
            await driver.enqueue([message() for _ in range(3)])
            async with opened(url) as worker:
                held = [
                    *await worker.dequeue(["mail"], limit=1, wait=5),
                    *await worker.dequeue(["mail"], limit=1, wait=5),
                ]
                assert len(held) == 2
                async with view(looker, "mail/dead"):
                    await in_time(driver, QueueStats("mail", 1, None, 2, 3, None))
                await in_time(driver, QueueStats("mail", 1, None, 2, 3, None))
                await worker.settle([Ack(each) for each in held])
            await in_time(driver, QueueStats("mail", 1, None, 0, 3, None))
            mine = await taken(driver)
            assert (await stats_of(driver)).running == 1, "known here before the plugin knows"
            await driver.settle([Ack(mine)])
        await looker.close()


@pytest.mark.parametrize("why", ["unreachable", "refused"])
async def test_where_the_plugin_does_not_answer_the_rest_is_told_and_one_warning(
    managed: Room, vhost: str, why: str, caplog: pytest.LogCaptureFixture, rabbitmq_server: Room
) -> None:
    wrong = place(rabbitmq_server) if why == "unreachable" else place(managed, "tiger")
    async with opened(vhost, management_url=wrong) as driver:
        await driver.enqueue([message()])
        with caplog.at_level(logging.WARNING, "asynctasq.rabbitmq"):
            for _ in range(3):
                assert await stats_of(driver) == QueueStats("mail", 1, None, None, 0, None)
    (warning,) = caplog.messages
    assert "management plugin" in warning
    assert "tiger" not in warning
