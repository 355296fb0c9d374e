"""What a driver is given in its tests, and takes back: messages, and records of them."""

from __future__ import annotations

from typing import Any

from asynctasq.driver import Ack, Delivery, Driver, Message, Record, ResultStore

QUEUE = "mail"


def message(
    body: bytes = b"payload", queue: str = QUEUE, visibility_timeout: float = 60.0, **fields: Any
) -> Message:
    return Message(queue=queue, body=body, visibility_timeout=visibility_timeout, **fields)


def record(delivery: Delivery, keep_for: float | None = 60.0) -> Record:
    return Record(delivery.ref, "completed", b"42", keep_for)


async def taken(driver: Driver, queue: str = QUEUE, wait: float = 5.0) -> Delivery:
    """The one delivery that there is."""
    (delivery,) = await driver.dequeue([queue], limit=10, wait=wait)
    return delivery


async def pending(driver: Driver) -> int | None:
    (stats,) = await driver.stats([QUEUE])
    return stats.pending


async def works(driver: Driver) -> None:
    """A message goes its way, and who waits for its result is told."""
    sent = message()
    await driver.enqueue([sent])
    delivery = await taken(driver)
    assert delivery.id == sent.id
    assert isinstance(driver, ResultStore)
    assert not (await driver.settle([Ack(delivery, record(delivery))])).lost
    ended = await driver.result(sent.ref, 5.0)
    assert ended is not None
    assert ended.value == b"42"
