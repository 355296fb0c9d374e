"""Servers of their own, for a worker of the tests each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.backends import Room, private

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
