"""The management plugin of a broker tells the numbers of all queues, to who may know them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import aiormq
import pytest
import trustme
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from asynctasq.errors import BackendRefused, DriverUnavailable
from asynctasq_drivers.rabbitmq import _management
from asynctasq_drivers.rabbitmq._management import Management, QueueNumbers
from tools.backends import Room

from .servers import own

pytestmark = pytest.mark.asyncio

_CONF = """\
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
management.ssl.ip = 127.0.0.1
management.ssl.port = {tls_port}
management.ssl.certfile = server.pem
management.ssl.keyfile = server.key
"""
_SOON = "[{rabbit, [{quorum_tick_interval, 100}]}]."
"""Milliseconds in which a quorum queue tells its numbers: five seconds by default."""
_WRONG = r"401, (Login failed|Not_Authorized); wrong user or password\?"
"""As 3.10 and as 4 have it."""
_NO_TAG = "401, Not management user; give this user the tag `management` or `monitoring` "
_NO_VHOST = "404, Not Found; there is no vhost '{}', or this user has no right in it "
_NO_RIGHT = (
    "401, User not authorised to access virtual host; give this user a right in vhost '/' |"
    f"{_NO_VHOST.format('/')}"
)
"""As 3.10 and as 4.3 have it."""
_USERS = {"app": "management", "watcher": "monitoring", "plain": ""}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def managed(authority: trustme.CA) -> Iterator[Room]:
    """A broker with the plugin, with and without TLS, and users who have the password `tiger`."""
    certificate = authority.issue_cert("localhost")
    files = {
        "server.pem": certificate.cert_chain_pems[0].bytes().decode(),
        "server.key": certificate.private_key_pem.bytes().decode(),
    }
    with own.server(_CONF, ("rabbitmq_management",), _SOON, files) as room:
        for name, tag in _USERS.items():
            own.control(room, "add_user", name, "tiger")
            own.control(room, "set_user_tags", name, *([tag] if tag else []))
        yield room


def management(room: Room, user: str = "guest", password: str = "guest") -> Management:
    return Management(own.management_url(room).replace("://", f"://{user}:{password}@"))


def name_of(url: str) -> str:
    """Of a virtual host."""
    return url.rpartition("/")[2]


async def filled(channel: AbstractChannel, name: str, kind: str, count: int) -> None:
    """A queue with so many messages."""
    await channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
    for _ in range(count):
        await channel.basic_publish(b"payload", routing_key=name)


async def same_in_time(room: Room, vhost: str, numbers: dict[str, QueueNumbers]) -> None:
    async with asyncio.timeout(20):
        while await management(room).queues(vhost) != numbers:
            await asyncio.sleep(0.05)


async def test_the_numbers_of_all_queues_of_a_virtual_host_are_told(managed: Room) -> None:
    with own.vhost_of(managed) as url, own.vhost_of(managed) as other:
        async with await aiormq.connect(url) as connection, await aiormq.connect(other) as beside:
            channel = await connection.channel()
            await filled(channel, "line/1 +#", "quorum", 5)
            await filled(channel, "plain", "classic", 1)
            await filled(await beside.channel(), "not ours", "quorum", 1)
            for _ in range(2):
                assert isinstance((await channel.basic_get("line/1 +#")).delivery, Basic.GetOk)
            numbers = {"line/1 +#": QueueNumbers(3, 2, 5), "plain": QueueNumbers(1, 0, 1)}
            await same_in_time(managed, name_of(url), numbers)
        await same_in_time(managed, name_of(other), {"not ours": QueueNumbers(1, 0, 1)})


async def test_none_is_left_out_where_there_are_pages_of_them(
    managed: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_management, "_PAGE", 2)
    with own.vhost_of(managed) as url:
        assert await management(managed).queues(name_of(url)) == {}
        async with await aiormq.connect(url) as connection:
            channel = await connection.channel()
            for number in range(5):
                await filled(channel, f"line {number}", "classic", 0)
        found = await management(managed).queues(name_of(url))
    assert list(found) == [f"line {number}" for number in range(5)]


async def test_the_largest_page_is_one_that_the_plugin_gives(managed: Room) -> None:
    assert await management(managed).queues("/") == {}


@pytest.mark.parametrize(
    ("user", "password", "vhost", "said"),
    [
        ("guest", "tiger", "/", _WRONG),
        ("nobody", "tiger", "/", _WRONG),
        ("plain", "tiger", "/", _NO_TAG),
        ("app", "tiger", "/", _NO_RIGHT),
        ("guest", "guest", "else/where", _NO_VHOST.format("else/where")),
    ],
)
async def test_who_may_not_know_them_is_told_what_to_do(
    managed: Room, user: str, password: str, vhost: str, said: str
) -> None:
    with pytest.raises(BackendRefused) as raised:
        await management(managed, user, password).queues(vhost)
    assert re.search(f": status ({said})", str(raised.value))
    assert "tiger" not in str(raised.value)


@pytest.mark.parametrize("user", ["app", "watcher"])
async def test_a_user_with_that_tag_and_a_right_is_told(managed: Room, user: str) -> None:
    with own.vhost_of(managed) as url:
        await asyncio.to_thread(
            own.control, managed, "set_permissions", "--vhost", name_of(url), user, "", "", "x"
        )
        assert await management(managed, user, "tiger").queues(name_of(url)) == {}


async def test_by_tls_it_is_told_to_who_trusts_the_certificate(
    managed: Room, authority: trustme.CA, tmp_path: Path
) -> None:
    place = f"https://guest:guest@localhost:{own.tls_port(managed)}"
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for trusting in (f"{place}?cafile={tmp_path / 'ca.pem'}", f"{place}/?no_verify_ssl=1"):
        assert await Management(trusting).queues("/") == {}
    for url in (place, place.replace("localhost", "127.0.0.1"), f"{place}?no_verify_ssl=0"):
        with pytest.raises(BackendRefused, match=r"certificate verify failed.*see `cafile`"):
            await Management(url).queues("/")
    elsewhere = f"{place.replace('localhost', '127.0.0.1')}?cafile={tmp_path / 'ca.pem'}"
    with pytest.raises(BackendRefused, match="IP address mismatch"):
        await Management(elsewhere).queues("/")


async def test_a_broker_that_hangs_is_unavailable_soon(
    managed: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_management, "_WITHIN", 0.3)
    with own.paused(managed):
        async with asyncio.timeout(5):
            with pytest.raises(DriverUnavailable, match=r"no answer in 0\.3 s"):
                await management(managed).queues("/")


async def test_a_broker_without_the_plugin_is_unavailable(rabbitmq_server: Room) -> None:
    with pytest.raises(DriverUnavailable, match="is the management plugin enabled there"):
        await management(rabbitmq_server).queues("/")


async def test_where_the_broker_itself_listens_is_another_port(rabbitmq_server: Room) -> None:
    place = f"http://guest:guest@{own.HOST}:{rabbitmq_server.port}"
    with pytest.raises((DriverUnavailable, BackendRefused), match="management plugin"):
        await Management(place).queues("/")
