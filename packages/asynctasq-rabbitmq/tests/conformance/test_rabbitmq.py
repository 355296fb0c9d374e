"""The whole public conformance suite, on a broker behind a proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from asynctasq.driver import Secret
from asynctasq.testing import DriverSuite, NewDriver
from asynctasq_drivers.rabbitmq import RabbitmqDriver, RabbitmqOptions
from tools.backends import Room
from tools.backends.recipes import RECIPES, find


def _version() -> str:
    """Of the broker that is installed here, as its folder says."""
    program = find("rabbitmq-server", RECIPES["rabbitmq"].places)
    assert program, "install rabbitmq-server"
    folder = next(p for p in Path(program).resolve().parts if p.startswith("rabbitmq_server-"))
    return folder.partition("-")[2]


@pytest.mark.timeout(180)  # for each way to die there is a queue, and that takes 0.1 s to be made
class TestRabbitmq(DriverSuite):
    driver_class = RabbitmqDriver
    backend = f"RabbitMQ {_version()}"
    lease = 0.5
    quiet = 0.05
    room: Room
    """Only of tests that restart it."""
    between: Any

    @pytest.fixture(autouse=True)
    def _server(self, request: pytest.FixtureRequest) -> None:
        if request.function.__qualname__.startswith("Restarts."):
            self.room, self.between = request.getfixturevalue("rabbitmq_to_restart")
        else:
            self.between = request.getfixturevalue("rabbitmq_proxy")

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        options = RabbitmqOptions(
            rabbitmq_url=Secret(self.between.url), rabbitmq_exchange_name="suite"
        )
        return lambda context: RabbitmqDriver(options, context)

    async def restart_backend(self) -> None:
        await asyncio.to_thread(self.room.stop)
        await asyncio.to_thread(self.room.start)

    @asynccontextmanager
    async def cut_backend(self) -> AsyncGenerator[None]:
        self.between.cut()
        try:
            yield
        finally:
            self.between.heal()
