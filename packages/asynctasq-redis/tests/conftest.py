"""What tests share: a server of their own for each worker of pytest, and a channel on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tools.backends import Room, private
from tools.driver_tests import leftovers

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


stack = leftovers.stack


@pytest.fixture
def channel(redis_server: Room, stack: AsyncExitStack) -> Channel:
    return Channel(redis_server.url, stack)


@pytest.fixture
def cuttable(redis_server: Room, channel: Channel) -> Iterator[tuple[Proxy, Channel]]:
    """The same channel, by way of a proxy."""
    with proxy(redis_server.url) as between:
        yield between, channel.at(between.url)
