"""Drivers that are closed when a block ends, and what they are given."""

from __future__ import annotations

from asynctasq.driver import Ack, DeadLetter, Failure, Message
from asynctasq_drivers.rabbitmq import RabbitmqDriver, RabbitmqOptions
from tools.driver_tests.messages import message, taken
from tools.driver_tests.subject import Subject

__all__ = ["buried", "made", "message", "opened", "taken", "works"]

RABBITMQ = Subject(RabbitmqDriver, RabbitmqOptions, "url")
made, opened = RABBITMQ.made, RABBITMQ.opened
FAILURE = Failure("ValueError", "no address", "Traceback ...")


async def works(driver: RabbitmqDriver, queue: str = "mail") -> None:
    """A message goes its way, by a delay, and so does a dead letter."""
    sent = message(queue=queue, delay=1.0)
    await driver.enqueue([sent])
    delivery = await taken(driver, queue, wait=10)
    assert delivery.id == sent.id
    assert not (await driver.settle([DeadLetter(delivery, FAILURE)])).lost
    assert queue in [stats.queue for stats in await driver.stats()]
    assert await driver.retry_dead([sent.ref]) == (sent.ref,)
    delivery = await taken(driver, queue, wait=10)
    assert not (await driver.settle([Ack(delivery)])).lost
    assert (await driver.purge(queue)).count == 0


async def buried(driver: RabbitmqDriver, count: int) -> list[Message]:
    """So many dead letters, in the order in which they died; bodies are their numbers."""
    sent = [message(b"%d" % number) for number in range(count)]
    await driver.enqueue(sent)
    while count:
        found = await driver.dequeue(["mail"], limit=min(count, 200), wait=5)
        await driver.settle([DeadLetter(each, FAILURE) for each in found])
        count -= len(found)
    return sent
