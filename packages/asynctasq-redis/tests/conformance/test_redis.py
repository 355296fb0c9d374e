"""The whole public conformance suite: on one server, and on a cluster of three masters."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from asynctasq.driver import Secret
from asynctasq.testing import DriverSuite, NewDriver
from asynctasq_drivers.redis import RedisDriver, RedisOptions
from tools.backends import Room
from tools.backends.recipes import find


def _version() -> str:
    """Of the server that is installed here, as it tells."""
    program = find("redis-server")
    assert program, "install redis-server"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.partition("v=")[2].split()[0]


async def _restart(rooms: Iterable[Room]) -> None:
    rooms = list(rooms)
    await asyncio.gather(*(asyncio.to_thread(room.stop) for room in rooms))
    await asyncio.gather(*(asyncio.to_thread(room.start) for room in rooms))


class OnRedis(DriverSuite):
    driver_class = RedisDriver
    backend = f"Redis {_version()}"
    lease = 0.5
    quiet = 0.05
    url: str

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        options = RedisOptions(redis_url=Secret(self.url))
        return lambda context: RedisDriver(options, context)


class TestRedis(OnRedis):
    room: Room
    between: Any

    @pytest.fixture(autouse=True)
    def _server(self, redis_server: Room, redis_proxy: Any) -> None:
        self.room, self.between, self.url = redis_server, redis_proxy, redis_proxy.url

    async def restart_backend(self) -> None:
        await _restart([self.room])

    @asynccontextmanager
    async def cut_backend(self) -> AsyncGenerator[None]:
        self.between.cut()
        try:
            yield
        finally:
            self.between.heal()


@pytest.mark.once
class TestRedisCluster(OnRedis):
    backend = f"Redis {_version()}, cluster"
    nodes: Any

    @pytest.fixture(autouse=True)
    def _cluster(self, redis_cluster: Any) -> None:
        self.nodes, self.url = redis_cluster, redis_cluster.url

    async def restart_backend(self) -> None:
        await _restart(self.nodes.nodes)
        await asyncio.to_thread(self.nodes.wait_until_well)
