"""The whole public conformance suite, on a server of its own."""

from __future__ import annotations

import asyncio

import pytest

from asynctasq.driver import Secret
from asynctasq.testing import DriverSuite, NewDriver
from asynctasq_drivers.redis import RedisDriver, RedisOptions
from tools.backends import Room


class TestRedis(DriverSuite):
    driver_class = RedisDriver
    backend = "Redis"
    lease = 0.5
    quiet = 0.05

    @pytest.fixture(autouse=True)
    def server(self, redis_server: Room) -> Room:
        self.room = redis_server
        return redis_server

    @pytest.fixture
    def new_driver(self, server: Room) -> NewDriver:
        options = RedisOptions(redis_url=Secret(server.url))
        return lambda context: RedisDriver(options, context)

    room: Room

    async def restart_backend(self) -> None:
        await asyncio.to_thread(self.room.stop)
        await asyncio.to_thread(self.room.start)
