"""What can go wrong with a broker is told in one line: what it was, and what to do."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import pytest

from asynctasq.driver import Ack
from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable
from asynctasq_drivers.rabbitmq import RabbitmqDriver
from tools.backends import Room

from .channels import LOST, channel_on, declare
from .drivers import made, message, opened, taken, works
from .holding import taken as all_taken
from .load import again
from .page import PAGE
from .servers.own import HOST, control, server

pytestmark = pytest.mark.asyncio
SECRET = "wrong-1"


async def refusal(url: str) -> DriverError:
    """What a driver says that is opened."""
    driver = made(url)
    try:
        with pytest.raises(DriverError) as raised:
            await driver.open()
    finally:
        await driver.close()
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("user", ["guest", "nobody"])
async def test_who_is_not_let_in_is_told_the_option_and_nobody_the_password(
    rabbitmq_server: Room, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"amqp://{user}:{SECRET}@{HOST}:{rabbitmq_server.port}/"
    error = await refusal(url)
    assert isinstance(error, BackendRefused)
    assert str(error).endswith("wrong user or password: see rabbitmq_url")
    told = caplog.text + repr(made(url)) + "".join(traceback.format_exception(error))
    assert SECRET not in told


async def test_a_vhost_that_is_not_there_is_refused_by_its_name(rabbitmq_server: Room) -> None:
    error = await refusal(f"{rabbitmq_server.url}nowhere")
    assert isinstance(error, BackendRefused)
    assert "vhost nowhere" in str(error)
    assert str(error).endswith("see the vhost in rabbitmq_url")


@contextmanager
def deserted() -> Iterator[int]:
    """A port that is ours, and where nobody listens."""
    with socket.socket() as door:
        door.bind((HOST, 0))
        yield door.getsockname()[1]


async def test_without_a_broker_nothing_is_stored_and_the_place_is_named() -> None:
    with deserted() as port:
        error = await refusal(f"amqp://guest:{SECRET}@{HOST}:{port}/")
    assert isinstance(error, DriverUnavailable)
    assert f"{HOST}:{port}" in str(error)
    assert SECRET not in repr(error)


async def test_the_first_of_several_hosts_that_answers_is_used(vhost: str) -> None:
    place, path = vhost.rpartition("@")[2].split("/", 1)
    with deserted() as port:
        async with opened(f"amqp://guest:guest@{HOST}:{port},{place}/{path}") as driver:
            await works(driver)


@pytest.mark.parametrize(("name", "kind"), [("mail", "classic"), ("mail/dead", "quorum")])
async def test_a_queue_with_other_arguments_is_named_and_left_as_it_is(
    vhost: str, name: str, kind: str
) -> None:
    async with channel_on(vhost) as channel:
        there = {"x-queue-type": kind}
        await channel.queue_declare(name, durable=True, arguments=there)
        await channel.basic_publish(b"precious", routing_key=name)
        async with opened(vhost) as driver:
            take = partial(driver.dequeue, ["mail"], limit=1, wait=1)
            for attempt in (partial(driver.enqueue, [message()]), take):
                with pytest.raises(BackendRefused) as raised:
                    await attempt()
                told = str(raised.value)
                assert f"queue '{name}'" in told
                assert "inequivalent arg" in told
                if kind == "classic":
                    assert told.replace(vhost.rpartition("/")[2], "shop") in " ".join(PAGE.split())
                assert told.endswith("or move its messages away and delete it")
            await works(driver, "other")
        assert (await channel.basic_get(name, no_ack=True)).body == b"precious"


@pytest.fixture(scope="module")
def narrow() -> Iterator[Room]:
    """A broker that takes less than usual."""
    with server("max_message_size = 100000\n") as room:
        yield room


async def test_a_message_that_is_larger_than_the_broker_takes_is_refused(narrow: Room) -> None:
    async with opened(narrow.url) as driver:
        await works(driver)
        with pytest.raises(BackendRefused, match=r"(?i)message size 200000 .* than .*100000"):
            await driver.enqueue([message(b"x" * 200_000)])
        await works(driver)


async def stored(driver: RabbitmqDriver) -> UUID | DriverError:
    """The id of a message, or why there is none."""
    one = message()
    try:
        await driver.enqueue([one])
    except DriverError as error:
        return error
    return one.id


async def test_a_queue_that_is_full_by_a_policy_takes_nothing_and_loses_nothing(
    rabbitmq_server: Room, vhost: str
) -> None:
    name = vhost.rpartition("/")[2]
    async with opened(vhost) as driver:
        await works(driver)
        limit = ("full", "^mail$", '{"max-length":2}', "--apply-to", "queues")
        control(rabbitmq_server, "set_policy", "--vhost", name, *limit)
        outcomes = [await stored(driver) for _ in range(20)]
        sent = [one for one in outcomes if isinstance(one, UUID)]
        refused = [str(one) for one in outcomes if isinstance(one, DriverUnavailable)]
        assert len(refused) > 10
        assert all("for 'mail' now (nack): the queue is full" in text for text in refused)
        got = await all_taken(driver, len(sent))
        assert [delivery.id for delivery in got] == sent
        await driver.settle([Ack(delivery) for delivery in got])
        # A channel hears in its own time that there is room again.
        await again(lambda: driver.enqueue([message()]))
        await driver.settle([Ack(await taken(driver))])


async def test_a_lost_connection_is_one_line_of_the_log(
    rabbitmq_server: Room, vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with opened(vhost) as driver:
        await works(driver)
        name = vhost.rpartition("/")[2]
        close = ("close_all_connections", "--vhost", name, "by a test")
        await asyncio.to_thread(control, rabbitmq_server, *close)
        async with asyncio.timeout(10):
            while len(caplog.records) < 2:
                await asyncio.sleep(0.02)
        await works(driver)
    lines = sorted(record.getMessage() for record in caplog.records)
    assert len(lines) == 2
    for line, purpose in zip(lines, ("consuming", "publishing"), strict=True):
        assert line.startswith(f"a connection to RabbitMQ ended (asynctasq: {purpose}): ")
        assert "by a test" in line


async def test_what_aiormq_tells_of_connections_of_others_is_left_alone(
    rabbitmq_server: Room, vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(vhost), channel_on(vhost) as channel:
        name = vhost.rpartition("/")[2]
        close = ("close_all_connections", "--vhost", name, "by a test")
        await asyncio.to_thread(control, rabbitmq_server, *close)
        with pytest.raises(LOST):
            await declare(channel)
    found = [r for r in caplog.records if r.msg.startswith("Unexpected connection close")]
    assert [record.levelname for record in found] == ["ERROR"]
