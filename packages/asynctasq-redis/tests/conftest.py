"""What tests share: a server of their own for each worker of pytest, and a channel on it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from tools.backends import Room, private

from .channel import Channel
from .servers.cluster import Cluster, cluster
from .servers.proxy import Proxy, proxy


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Room]:
    with private("redis") as room:
        yield room


@pytest.fixture(scope="session")
def redis_proxy(redis_server: Room) -> Iterator[Proxy]:
    """In front of that server."""
    with proxy(redis_server.url) as between:
        yield between


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[Cluster]:
    with cluster() as nodes:
        yield nodes


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is open, or went wrong unseen, once it has ended is left behind: the test fails."""
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with AsyncExitStack() as made:
        yield made
    gc.collect()
    assert not unseen


@pytest.fixture
def channel(redis_server: Room, stack: AsyncExitStack) -> Channel:
    return Channel(redis_server.url, stack)


@pytest.fixture
def cuttable(redis_server: Room, channel: Channel) -> Iterator[tuple[Proxy, Channel]]:
    """The same channel, by way of a proxy."""
    with proxy(redis_server.url) as between:
        yield between, channel.at(between.url)
