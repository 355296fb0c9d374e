"""Several hosts in the URL: the first that answers, and the next once it is gone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import uvloop

from asynctasq.driver import Message
from asynctasq.errors import BackendRefused, DriverUnavailable

from .load import driver_on, under_load
from .servers.own import HOST
from .servers.proxy import Proxy, proxy

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


@pytest.fixture
def ways(vhost: str) -> Iterator[tuple[Proxy, Proxy]]:
    """Two ways to one broker, as to two of a cluster."""
    with proxy(vhost) as one, proxy(vhost) as other:
        yield one, other


@pytest.fixture
def hanging_up() -> Iterator[str]:
    """A place that leaves as soon as somebody comes."""
    with socket.create_server((HOST, 0)) as door:

        def meet() -> None:
            while True:
                client, _ = door.accept()
                client.close()
                if ended.is_set():
                    break

        ended = threading.Event()
        meeting = threading.Thread(target=meet)
        meeting.start()
        port = door.getsockname()[1]
        yield f"{HOST}:{port}"
        ended.set()
        socket.create_connection((HOST, port)).close()
        meeting.join()


def stepping_slowly() -> None:
    """From now on, so that the loop knows of an end before it comes to say anything."""
    time.sleep(0.0005)
    asyncio.get_running_loop().call_soon(stepping_slowly)


async def test_a_host_that_hangs_up_at_once_is_passed_over(vhost: str, hanging_up: str) -> None:
    there = urlsplit(vhost)
    user, _, place = there.netloc.rpartition("@")

    async def come() -> None:
        stepping_slowly()
        for _ in range(100):
            with pytest.raises(DriverUnavailable, match="cannot be reached: ") as told:
                async with driver_on(there._replace(netloc=f"{user}@{hanging_up}").geturl()):
                    pass
            if "it ended before it answered" in str(told.value):
                break
        else:
            pytest.fail("its end was never known before the first word was said")
        async with driver_on(there._replace(netloc=f"{user}@{hanging_up},{place}").geturl()):
            pass

    await asyncio.to_thread(lambda: uvloop.run(come()))


async def test_a_host_that_refuses_is_passed_over_and_told_of_where_none_lets_us_in(
    vhost: str, ways: tuple[Proxy, Proxy]
) -> None:
    refusing = ways[0].url.replace("guest:guest@", "guest:wrong@")
    ways[1].cut()
    with pytest.raises(BackendRefused, match="wrong user or password"):
        async with driver_on(f"{refusing},{ways[1].url}"):
            pass
    async with driver_on(f"{refusing},{ways[1].url},{vhost}"):
        pass


def both(ways: tuple[Proxy, Proxy]) -> str:
    first, second = (urlsplit(way.url) for way in ways)
    places = f"{first.netloc},{second.netloc.rpartition('@')[2]}"
    return first._replace(netloc=places).geturl()


async def test_while_the_first_is_away_the_second_is_used_and_without_any_that_is_told(
    ways: tuple[Proxy, Proxy],
) -> None:
    sent = Message(queue="mail", body=b"", visibility_timeout=60.0)
    ways[0].cut()
    async with driver_on(both(ways)) as driver:
        await driver.enqueue([sent])
        assert len(await driver.dequeue(["mail"], limit=1, wait=10)) == 1
    ways[1].cut()
    with pytest.raises(DriverUnavailable, match="cannot be reached"):
        async with driver_on(both(ways)):
            pass


async def test_under_load_it_goes_over_to_whichever_answers_and_nothing_is_lost(
    ways: tuple[Proxy, Proxy],
) -> None:
    async with under_load(both(ways)) as load:
        for gone, there in ((0, 1), (1, 0)):
            ways[there].heal()
            ways[gone].cut()
            print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
    assert load.run_again() == {}
