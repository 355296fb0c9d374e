"""The proxy does to connections what it says, to the plain client, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiormq
import pytest
from pamqp.commands import Basic

from tools.backends import Room

from .channels import LOST, QUORUM, channel_on, declare, publish, ready
from .servers.own import server
from .servers.proxy import Proxy, proxy
from .servers.single import tls

pytestmark = pytest.mark.asyncio


@pytest.fixture
def between(vhost: str) -> Iterator[Proxy]:
    """One in front of a virtual host of one's own."""
    with proxy(vhost) as made:
        yield made


async def consume(channel: Any, prefetch: int = 0) -> asyncio.Queue[Any]:
    """What the queue hands out."""
    got: asyncio.Queue[Any] = asyncio.Queue()
    if prefetch:
        await channel.basic_qos(prefetch_count=prefetch)
    await channel.basic_consume("kept", got.put)
    return got


async def test_it_cuts_connections_and_refuses_new_ones_until_it_is_healed(between: Proxy) -> None:
    for _ in range(2):
        async with channel_on(between.url) as channel:
            await declare(channel)
            between.cut()
            with pytest.raises(LOST):
                await declare(channel)
            with pytest.raises(ConnectionError):
                await aiormq.connect(between.url)
            between.heal()


async def test_it_loses_the_confirm_of_what_is_stored(between: Proxy, vhost: str) -> None:
    for number in (1, 2):
        async with channel_on(between.url) as channel:
            await declare(channel)
            between.lose_replies(to="basic.ack")
            with pytest.raises(LOST):
                await publish(channel)
            assert between.lost == number
        await ready(vhost, number)
    async with channel_on(between.url) as channel:
        await publish(channel)
    assert between.lost == 2


async def test_so_many_pass_before_it_loses_one(between: Proxy, vhost: str) -> None:
    async with channel_on(between.url) as channel:
        await declare(channel)
        between.lose_replies(to="basic.ack", before=2)
        await publish(channel)
        await publish(channel)
        with pytest.raises(LOST):
            await publish(channel)
    await ready(vhost, 3)


@pytest.mark.parametrize("name", ["queue.declare-ok", "basic.qos-ok", "basic.consume-ok"])
async def test_it_loses_the_answer_of_a_method_and_lets_others_pass(
    between: Proxy, vhost: str, name: str
) -> None:
    async with channel_on(between.url) as channel:
        between.lose_replies(to=name)
        await channel.exchange_declare("other")
        with pytest.raises(LOST):
            await declare_and_consume(channel)
        assert between.lost == 1
    async with channel_on(vhost) as channel:
        await channel.queue_declare("kept", passive=True)


async def declare_and_consume(channel: Any) -> None:
    await declare(channel)
    await consume(channel, prefetch=1)


async def test_it_loses_a_delivery_which_then_comes_to_another(between: Proxy, vhost: str) -> None:
    async with channel_on(between.url) as channel, channel_on(vhost) as other:
        await declare(channel)
        await publish(channel)
        between.lose_replies(to="basic.deliver")
        got: asyncio.Queue[Any] = asyncio.Queue()
        with suppress(*LOST):  # it may have begun by then, or not
            await channel.basic_consume("kept", got.put)
        message = await asyncio.wait_for((await consume(other)).get(), 10)
        assert between.lost == 1
        assert message.delivery.redelivered
        assert got.empty()


async def test_it_cuts_once_an_acknowledgement_has_reached_the_broker(
    between: Proxy, vhost: str
) -> None:
    await acknowledge_and_cut(between, lambda: between.cut_after("basic.ack"))
    await ready(vhost, 0)


async def test_it_cuts_before_an_acknowledgement_has_reached_the_broker(
    between: Proxy, vhost: str
) -> None:
    await acknowledge_and_cut(between, lambda: between.cut_before("basic.ack"))
    await ready(vhost, 1)


async def acknowledge_and_cut(between: Proxy, how: Any) -> None:
    async with channel_on(between.url) as channel:
        await declare(channel)
        await publish(channel)
        message = await asyncio.wait_for((await consume(channel)).get(), 10)
        how()
        await channel.basic_ack(message.delivery.delivery_tag)
        await asyncio.wait([channel.closing], timeout=10)
        assert channel.is_closed
    assert between.lost == 1


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
async def test_what_was_published_is_cut_off_before_or_after_all_of_it(
    between: Proxy, vhost: str, size: int
) -> None:
    for how, stored in ((between.cut_before, 0), (between.cut_after, 1)):
        async with channel_on(between.url) as channel:
            await declare(channel)
            how("basic.publish")
            with pytest.raises(LOST):
                await publish(channel, body=b"x" * size)
        await ready(vhost, stored)
    async with channel_on(vhost) as channel:
        assert (await channel.basic_get("kept")).body == b"x" * size


async def test_what_was_said_at_once_but_before_is_done(between: Proxy, vhost: str) -> None:
    async with channel_on(between.url) as channel:
        await declare(channel)
        between.cut_before("basic.publish", before=500)
        sent = (publish(channel) for _ in range(1000))
        confirms = await asyncio.gather(*sent, return_exceptions=True)
        assert any(isinstance(confirm, LOST) for confirm in confirms)
    await ready(vhost, 500)


async def test_a_method_that_does_not_exist_is_an_error(between: Proxy) -> None:
    with pytest.raises(ValueError, match=r"basic\.acknowledge is no method"):
        between.lose_replies(to="basic.acknowledge")


async def test_a_large_message_and_many_small_ones_pass_as_they_are(
    between: Proxy,
) -> None:
    bodies = [bytes([number % 256]) * 100 for number in range(1000)]
    async with channel_on(between.url) as channel:
        await declare(channel)
        await publish(channel, body=b"x" * 3_000_000)
        await asyncio.gather(*(publish(channel, body=body) for body in bodies))
        got = await consume(channel)
        heard = [(await asyncio.wait_for(got.get(), 10)).body for _ in range(1001)]
    assert heard == [b"x" * 3_000_000, *bodies]


async def test_it_delays_both_directions(between: Proxy) -> None:
    async with channel_on(between.url) as channel:
        await declare(channel)
        between.delay = 0.05
        start = time.monotonic()
        await declare(channel)
        assert time.monotonic() - start >= 0.1
        between.delay = 0


async def test_what_it_swallows_is_never_answered_and_old_connections_end_when_it_is_healed(
    between: Proxy, vhost: str
) -> None:
    async with channel_on(between.url) as channel:
        await declare(channel)
        await publish(channel)
        between.swallow()
        lost = asyncio.ensure_future(publish(channel))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aiormq.connect(between.url), 0.2)
        assert not lost.done()
        between.heal()
        with pytest.raises(LOST):
            await lost
    async with channel_on(between.url) as channel:
        await publish(channel)
    await ready(vhost, 2)


async def test_a_silence_that_was_to_come_never_comes_once_it_is_healed(between: Proxy) -> None:
    async with channel_on(between.url) as channel:
        between.swallow(after=5)
        between.heal()
        for _ in range(10):
            await asyncio.wait_for(declare(channel), 10)


async def test_a_client_that_leaves_while_all_is_swallowed_holds_its_messages_until_it_is_healed(
    between: Proxy, vhost: str
) -> None:
    async with channel_on(between.url) as channel:
        await declare(channel)
        await publish(channel)
        assert isinstance((await channel.basic_get("kept")).delivery, Basic.GetOk)
        between.swallow()
        closing = asyncio.ensure_future(channel.connection.close())
        await asyncio.wait([closing], timeout=0.2)
    async with channel_on(vhost) as other:
        assert await declare(other) == 0
        between.heal()
        await ready(vhost, 1)


async def test_tls_passes_through_it_unread() -> None:
    with tls() as single, proxy(single.url) as between:
        between.lose_replies(to="basic.ack")
        context = ssl.create_default_context(cafile=single.authority)
        async with channel_on(between.url, context=context) as channel:
            await declare(channel)
            await publish(channel)
            between.cut()
            with pytest.raises(LOST):
                await declare(channel)


@pytest.mark.parametrize("clients", [1, 2, 3])
async def test_it_leaves_nobody_hanging_who_connects_while_it_is_cut(
    rabbitmq_server: Room, clients: int
) -> None:
    for _ in range(20):
        with proxy(rabbitmq_server.url) as between:
            place = ("127.0.0.1", urlsplit(between.url).port or 0)
            callers = [socket.create_connection(place, timeout=5) for _ in range(clients)]
        for caller in callers:
            with caller, suppress(ConnectionResetError):
                assert caller.recv(1) == b"", "accepted, and then forgotten"


async def test_in_front_of_a_broker_that_is_gone_it_ends_connections_unless_it_swallows_all() -> (
    None
):
    with server() as room, proxy(room.url) as between:
        room.kill()
        place = ("127.0.0.1", urlsplit(between.url).port or 0)
        with socket.create_connection(place, 5) as caller:
            assert caller.recv(1) == b""
        between.swallow()
        with socket.create_connection(place, 0.2) as caller, pytest.raises(TimeoutError):
            caller.recv(1)


async def test_the_one_that_tests_share_leads_to_each_ones_virtual_host(
    rabbitmq_proxy: Proxy, vhost: str
) -> None:
    async with channel_on(vhost) as channel:
        await channel.queue_declare("mine", exclusive=False, arguments=QUORUM, durable=True)
    async with channel_on(rabbitmq_proxy.to(vhost)) as channel:
        await channel.queue_declare("mine", passive=True)
