"""``asynctasq worker``: import the application, and run its tasks until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from importlib import import_module
from importlib.util import find_spec

import click

from asynctasq.app import run
from asynctasq.config import current, set_flags
from asynctasq.errors import ConfigError
from asynctasq.plugins import driver_class
from asynctasq.worker import Worker


@click.command
@click.option("--app", required=True, metavar="MODULE", help="The module that defines the tasks.")
@click.option(
    "--queues", metavar="A,B", help="Queues, first things first. [default: default_queue]"
)
@click.option(
    "--concurrency",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many tasks run at a time.",
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes."
)
@click.option("--driver", help="The driver to use, instead of the configured one.")
def command(
    app: str, queues: str | None, concurrency: int, workers: int, driver: str | None
) -> None:
    """Run tasks. SIGTERM or SIGINT lets those that run finish, then ends with exit code 0."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if driver is not None:
        set_flags({"driver": driver})
    _import_app(app)
    _check_processes(workers)
    names = [name.strip() for name in (queues or "").split(",")]
    run(_work(tuple(name for name in names if name), concurrency))


async def _work(queues: tuple[str, ...], concurrency: int) -> None:
    worker = Worker(queues, concurrency=concurrency)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.run()


def _import_app(name: str) -> None:
    """Import the module that the working directory, or the environment, has under that name."""
    sys.path.insert(0, os.getcwd())
    try:
        found = find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # a package above it imports what is not there
        found = False
    if not found:
        raise ConfigError(f"--app {name}: no module of that name here or in the environment")
    import_module(name)


def _check_processes(workers: int) -> None:
    if workers == 1:
        return
    name = current().config.driver
    if driver_class(name).capabilities.process_local:
        raise ConfigError(
            f"--workers {workers}: the {name} driver keeps its messages in one process, which no "
            "other can see; use --workers 1, or another driver"
        )
    raise ConfigError(
        f"--workers {workers}: this version runs one process; start {workers} of them"
    )
