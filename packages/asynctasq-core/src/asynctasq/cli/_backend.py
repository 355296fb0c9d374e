"""The configured backend, as the commands see it that look after its queues."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, redirect_stdout
from typing import Any, TypeVar

import click

from asynctasq.cli._flags import ConfiguredCommand
from asynctasq.config import current, make_driver
from asynctasq.driver import Driver
from asynctasq.errors import ConfigError

T = TypeVar("T")


class BackendCommand(ConfiguredCommand):
    """A command that works on the configured backend; ``--app`` is for those who configure it in
    code."""

    listed: Collection[str] | None = ("driver",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--app"],
                metavar="MODULE",
                help="A module that calls asynctasq.init(), where the backend is configured there.",
            )
        )

    def configure(self, ctx: click.Context) -> None:
        super().configure(ctx)
        if app := ctx.params.pop("app"):
            from asynctasq.cli._app_module import import_app

            with redirect_stdout(sys.stderr):  # what it prints is not our output
                import_app(app)


def with_backend(work: Callable[[Driver], Awaitable[T]]) -> T:
    """Do it with the configured driver, open.

    Raises ConfigError for one whose messages no other process can see, and what the driver does.
    """

    async def opened() -> T:
        async with _open() as driver:
            return await work(driver)

    return asyncio.run(opened())


def backend_name() -> str:
    """The name of the configured driver."""
    return current().config.driver


@asynccontextmanager
async def _open() -> AsyncGenerator[Driver, None]:
    config = current().config
    driver = make_driver(config.driver, config)
    if driver.capabilities.process_local:
        raise ConfigError(
            f"the {config.driver} driver keeps its messages in the process that dispatches them, "
            "where no command can see them: name another one with --driver or ASYNCTASQ_DRIVER"
        )
    try:
        await driver.open()
        yield driver
    finally:
        await driver.close()
