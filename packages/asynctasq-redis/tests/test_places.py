"""Wherever a URL may lead, a message goes its way there; where it cannot, it says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from asynctasq.driver import Secret
from asynctasq.errors import ConfigError, DriverUnavailable

from .drivers import made, message, opened, pending, works
from .servers.cluster import cluster
from .servers.own import ask, server
from .servers.sentinels import sentinels
from .servers.single import tls, unix, with_user

pytestmark = pytest.mark.asyncio

PLACES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "tls": tls,
    "unix": unix,
    "user": with_user,
    "sentinels": sentinels,
    "cluster": cluster,
}


@pytest.mark.once
@pytest.mark.parametrize("place", PLACES)
async def test_a_message_goes_its_way_and_its_result_is_waited_for(place: str) -> None:
    with PLACES[place]() as there:
        async with opened(there.url) as driver, opened(there.url) as other:
            await works(driver)
            work = asyncio.ensure_future(works(driver))
            sent = message(queue="other")
            waiting = asyncio.ensure_future(other.dequeue(["other"], limit=1, wait=20))
            await asyncio.sleep(0.1)
            await driver.enqueue([sent])
            assert [each.id for each in await waiting] == [sent.id]
            await work


@pytest.mark.once
async def test_over_tls_who_has_no_certificate_is_not_let_in() -> None:
    with tls() as single:
        driver = made(single.other_url)
        with pytest.raises(DriverUnavailable, match=r"(?i)certificate|reset by peer"):
            await driver.open()
        await driver.close()


@pytest.mark.once
async def test_over_tls_a_server_that_no_authority_vouches_for_is_not_trusted() -> None:
    with tls() as single:
        driver = made(single.url.partition("?")[0])
        with pytest.raises(DriverUnavailable, match=r"(?i)certificate verify failed"):
            await driver.open()
        await driver.close()


@pytest.mark.once
async def test_a_file_of_tls_that_is_missing_is_told() -> None:
    with tls() as single:
        driver = made(single.url.replace("ca.pem", "gone.pem"))
        with pytest.raises(DriverUnavailable, match="No such file"):
            await driver.open()
        await driver.close()


async def _length(port: int, database: int) -> int:
    async with Redis(port=port, db=database) as client:
        return int(await client.llen("queue:{mail}"))  # type: ignore[misc]


async def test_the_database_is_that_of_the_url_and_else_that_of_the_option() -> None:
    with server() as room:
        async with opened(f"{room.url}/3", db=5) as in_url, opened(room.url, db=5) as in_option:
            await in_url.enqueue([message()])
            await in_option.enqueue([message(), message()])
        assert [await _length(room.port, number) for number in (0, 3, 5)] == [0, 1, 2]


async def test_two_databases_know_nothing_of_each_other() -> None:
    with server() as room:
        async with opened(room.url, db=1) as one, opened(room.url, db=2) as two:
            waiting = asyncio.ensure_future(two.dequeue(["mail"], limit=1, wait=0.5))
            await asyncio.sleep(0.1)
            sent = message()
            await one.enqueue([sent])
            assert await waiting == ()
            assert await two.stats() == ()
            assert await two.get(sent.ref) is None
            await two.enqueue([sent])
            assert (await one.purge("mail")).count == 1
            assert await pending(two) == 1


async def test_the_password_of_the_option_is_that_of_the_urls_user() -> None:
    with with_user() as single:
        user, _, place = single.url.partition(":secret@")
        async with opened(f"{user}@{place}", password=Secret("secret")) as driver:
            await works(driver)
        async with opened(single.url, password=Secret("not this")) as driver:
            await works(driver)


async def test_a_password_of_any_characters_is_percent_encoded_or_an_option() -> None:
    password = "a/b?c#d@e:f%20"
    with server("--requirepass", password) as room:
        place = room.url.partition("://")[2]
        async with opened(f"redis://:{quote(password, safe='')}@{place}") as driver:
            await works(driver)
        async with opened(room.url, password=Secret(password)) as driver:
            await works(driver)


async def test_a_cluster_has_no_numbered_databases() -> None:
    with pytest.raises(ConfigError, match="leave redis_db at 0"):
        made("redis+cluster://host", db=1)


async def test_one_connection_is_enough_for_many_who_wait() -> None:
    with server() as room:
        async with opened(room.url, max_connections=1) as driver:
            waits = [driver.dequeue(["none"], limit=1, wait=30) for _ in range(25)]
            waits += [driver.result(message().ref, 30) for _ in range(25)]  # type: ignore[misc]
            waiting = [asyncio.ensure_future(wait) for wait in waits]
            await asyncio.sleep(0.3)
            async with asyncio.timeout(5):
                await works(driver)
            assert ask(room, "INFO", "clients").count("connected_clients:3") == 1
            assert not any(each.done() for each in waiting)
        assert not any(await asyncio.gather(*waiting))


@pytest.mark.parametrize(
    "url",
    [
        "app:s3cret@host",
        "http://app:s3cret@host",
        "redis://app:s3cret@host:port",
        "redis://app:s3cret@host:99999",
        "redis://app:s3cret@host/mail",
        "redis://app:s3cret@host/-1",
        "redis://app:s3cret@[::1",
        "redis://app:s3cret/more@host",
        "redis://app:s3cret?more@host",
        "redis://app:s3cret#more@host",
        "redis+sentinel://app:s3cret/more@host/main",
        "redis://app:s3cret@host?decode_responses=yes",
        "redis://app:s3cret@host?db=one",
        "redis://app:s3cret@host?unheard_of=1",
        "redis://app:s3cret@host?ssl_ca_certs=ca.pem",
        "redis://app:s3cret@host?socket_timeout=soon",
        "rediss://app:s3cret@host?ssl_cert_reqs=perhaps",
        "unix://app:s3cret@",
        "redis+sentinel://app:s3cret@host:26379",
        "redis+sentinel://app:s3cret@host:port/main",
        "redis+cluster://app:s3cret@host/3",
        "redis+cluster://app:s3cret@:6379,host",
        "redis+else://app:s3cret@host",
    ],
)
async def test_a_url_that_leads_nowhere_is_a_config_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis_url: .*expected redis://host") as raised:
        made(url)
    assert "s3cret" not in str(raised.value) + repr(raised.value.__context__)
