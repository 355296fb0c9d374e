"""The broker does what it is for, to the plain client: so a failing test of the driver is its own.

A failure here is one of the servers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import urllib.request
from typing import Any

import aiormq
import pytest
from aiormq.exceptions import AMQPError, ChannelAccessRefused

from tools.backends import Failed, Room

from .channels import LOST, QUORUM, channel_on, declare, publish, ready
from .servers import own
from .servers.own import server, url_of
from .servers.single import tls, with_user

ONCE = pytest.mark.once
CLASSIC = {"x-queue-type": "classic"}


@ONCE
@pytest.mark.parametrize("stop", [Room.stop, Room.kill], ids=["stopped", "killed"])
@pytest.mark.asyncio
async def test_a_broker_that_ended_has_ended_its_clients_and_kept_what_was_confirmed(
    stop: Any,
) -> None:
    with server() as room:
        async with channel_on(room.url) as channel:
            await declare(channel)
            # Where the data of a new queue is, is written when one more is made, or a second later.
            await declare(channel, "one more")
            await publish(channel)
            await asyncio.to_thread(stop, room)
            with pytest.raises(LOST):
                await publish(channel)
        with pytest.raises(Failed):
            own.ask(room, "1.")
        await asyncio.to_thread(room.start)
        await ready(room.url, 1)


@pytest.mark.asyncio
async def test_a_paused_broker_answers_nothing_and_then_all(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with channel_on(vhost) as channel:
        await declare(channel)
        with own.paused(rabbitmq_server):
            confirm = asyncio.ensure_future(publish(channel))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(aiormq.connect(vhost), 0.3)
            assert not confirm.done()
        await confirm
        assert await declare(channel) == 1


@pytest.mark.asyncio
async def test_every_client_can_be_ended_and_is_told_why() -> None:
    with server() as room:
        async with channel_on(room.url) as one, channel_on(room.url) as other:
            assert len(await asyncio.to_thread(own.connections, room)) == 2
            reason = "an administrator's wish"
            assert await asyncio.to_thread(own.close_all_connections, room, reason) == 2
            for channel in (one, other):
                with pytest.raises(LOST):
                    await declare(channel)
        assert await asyncio.to_thread(own.connections, room) == []
        assert reason in (room.folder / "log").read_text(encoding="utf-8")


@pytest.mark.asyncio
async def test_in_an_alarm_nobody_publishes_and_then_all_is_confirmed() -> None:
    with server() as room:
        async with channel_on(room.url) as publisher, channel_on(room.url) as consumer:
            await declare(publisher)
            await publish(publisher)
            with own.alarm(room):
                confirm = asyncio.ensure_future(publish(publisher))
                assert await declare(consumer) == 1, "who does not publish is answered"
                states = {row["state"] for row in await asyncio.to_thread(own.connections, room)}
                assert not confirm.done()
                assert states == {"blocked", "blocking"}
            await confirm
            assert await declare(consumer) == 2


@pytest.mark.asyncio
async def test_it_tells_what_is_in_a_queue(rabbitmq_server: Room, vhost: str) -> None:
    async with channel_on(vhost) as channel:
        await declare(channel)
        for _ in range(3):
            await publish(channel)
        assert (await channel.basic_get("kept")).delivery.message_count == 2
        name = vhost.rpartition("/")[2]
        await channel.queue_declare("plain", exclusive=True, arguments=CLASSIC)
        await publish(channel, "plain")
        found = await asyncio.to_thread(own.queue_info, rabbitmq_server, name)
    assert found == {
        "kept": {"type": "quorum", "arguments": QUORUM, "ready": 2, "unacknowledged": 1},
        "plain": {"type": "classic", "arguments": CLASSIC, "ready": 1, "unacknowledged": 0},
    }


@pytest.mark.asyncio
async def test_a_virtual_host_of_ones_own_is_empty_and_gone_before_others_are_made() -> None:
    with server() as room:
        urls = []
        for _ in range(12):
            with own.vhost_of(room) as url:
                urls.append(url)
                async with channel_on(url) as channel:
                    assert await declare(channel) == 0
                    await publish(channel)
        assert len(set(urls)) == 12
        left = {row["name"] for row in own.listed(room, "vhosts", "name")}
        assert urls[0].rpartition("/")[2] not in left
        assert len(left) == 11


@ONCE
def test_it_takes_further_lines_listeners_and_plugins() -> None:
    management = "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management_port}\n"
    with server(
        f"consumer_timeout = 12345\n{management}",
        ("rabbitmq_management",),
        "[{rabbit, [{channel_tick_interval, 100}]}].",
    ) as room:
        assert own.ask(room, "application:get_env(rabbit, consumer_timeout).") == "{ok,12345}"
        assert own.ask(room, "application:get_env(rabbit, channel_tick_interval).") == "{ok,100}"
        request = urllib.request.Request(f"{own.management_url(room)}/api/overview")
        request.add_header("Authorization", f"Basic {base64.b64encode(b'guest:guest').decode()}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["node"].startswith("room")
        room.kill()
        room.start()
        assert own.ask(room, "application:get_env(rabbit, consumer_timeout).") == "{ok,12345}"


def test_the_one_that_tests_share_lets_guest_into_each_ones_virtual_host(
    rabbitmq_server: Room, vhost: str
) -> None:
    name = vhost.rpartition("/")[2]
    assert url_of(rabbitmq_server, name) == vhost
    (row,) = own.listed(rabbitmq_server, "permissions", vhost=name)
    assert row == {"user": "guest", "configure": ".*", "write": ".*", "read": ".*"}


@pytest.mark.asyncio
async def test_over_tls_a_certificate_is_checked() -> None:
    with tls() as single:
        async with channel_on(single.url) as channel:
            await declare(channel)
            await publish(channel)
        await ready(single.room.url, 1)
        with pytest.raises(OSError, match=r"(?i)certificate verify failed"):
            await aiormq.connect(single.other_url)
        host = single.url.replace("127.0.0.1", "localhost")  # whom the certificate does not name
        with pytest.raises(OSError, match=r"(?i)certificate verify failed"):
            await aiormq.connect(host)


@pytest.mark.asyncio
async def test_a_broker_that_wants_a_certificate_lets_nobody_in_without_one() -> None:
    with tls(clients=True) as single:
        async with channel_on(single.url) as channel:
            assert await declare(channel) == 0
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await asyncio.wait_for(aiormq.connect(single.other_url), 10)


@pytest.mark.asyncio
async def test_a_user_may_do_what_its_patterns_allow_and_nothing_else(
    rabbitmq_server: Room,
) -> None:
    with with_user(rabbitmq_server, r"mine\..*", "amq.default", r"mine\..*") as single:
        async with channel_on(single.url) as channel:
            await declare(channel, "mine.1")
            await publish(channel, "mine.1")
            assert (await channel.basic_get("mine.1")).body == b"payload"
            with pytest.raises(ChannelAccessRefused):
                await declare(channel, "other")
        wrong = single.url.replace(":secret@", ":guess@")
        with pytest.raises(AMQPError):
            await aiormq.connect(wrong)
