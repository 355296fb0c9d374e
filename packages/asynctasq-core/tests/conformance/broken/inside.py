"""The one place where the broken drivers reach into the memory driver."""

from __future__ import annotations

from asynctasq.driver import Delivery
from asynctasq.memory import MemoryDriver
from asynctasq.memory._queue import Queue, Task
from asynctasq.memory._store import STORE

from ..remote_server import Server  # noqa: TID252


def queue_of(driver: MemoryDriver, name: str) -> Queue:
    """A queue as the store has it."""
    return driver._store.queues[name]


def task_of(driver: MemoryDriver, delivery: Delivery) -> Task | None:
    """A task as the store has it, whatever the receipt says."""
    return queue_of(driver, delivery.queue).tasks.get(delivery.id)


class ForgetfulServer(Server):
    """Remembers nothing of the time before it was cut off."""

    def cut(self) -> None:
        super().cut()
        with STORE.lock:
            STORE.queues.clear()
