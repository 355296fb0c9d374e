"""Drivers that are closed when a block ends, and what they are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from asynctasq.driver import Ack, Context, Delivery, Message, Record, Secret
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions

_DEFAULT = Context()


def made(url: str, context: Context = _DEFAULT, **options: Any) -> PostgresDriver:
    """One that is not opened; options are given without their prefix."""
    named = {f"postgres_{name}": value for name, value in options.items()}
    return PostgresDriver(PostgresOptions(postgres_dsn=Secret(url), **named), context)


@asynccontextmanager
async def opened(
    url: str, context: Context = _DEFAULT, **options: Any
) -> AsyncGenerator[PostgresDriver]:
    """An open one."""
    driver = made(url, context, **options)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


def message(body: bytes = b"payload", **fields: Any) -> Message:
    return Message(**{"queue": "mail", "body": body, "visibility_timeout": 60.0, **fields})


def record(delivery: Delivery, keep_for: float | None = 60.0) -> Record:
    return Record(delivery.ref, "completed", b"42", keep_for)


async def taken(driver: PostgresDriver, wait: float = 5.0) -> Delivery:
    """The one delivery that there is."""
    (delivery,) = await driver.dequeue(["mail"], limit=10, wait=wait)
    return delivery


async def pending(driver: PostgresDriver) -> int | None:
    (stats,) = await driver.stats(["mail"])
    return stats.pending


async def works(driver: PostgresDriver) -> None:
    """A message goes its way, and who waits for its result is told."""
    sent = message()
    await driver.enqueue([sent])
    delivery = await taken(driver)
    assert delivery.id == sent.id
    assert not (await driver.settle([Ack(delivery, record(delivery))])).lost
    ended = await driver.result(sent.ref, 5.0)
    assert ended is not None
    assert ended.value == b"42"
