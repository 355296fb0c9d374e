"""From what somebody typed to the tasks that are meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import click

from asynctasq.cli._queue_name import queue_name
from asynctasq.driver import Driver, StoredTask, TaskRef, TaskStore
from asynctasq.errors import AsyncTasQError

Wanted: TypeAlias = tuple[str | None, UUID]
"""A queue, None where it is not known, and an id."""


def wanted(text: str) -> Wanted:
    """Read ``ID`` or ``QUEUE/ID``."""
    queue, _, id = text.rpartition("/")
    try:
        return (queue_name(queue) if queue else None), UUID(id)
    except ValueError:
        raise click.BadParameter(
            f"{text[:200]!r}: expected the id of a task, or QUEUE/ID; "
            "asynctasq tasks list shows both"
        ) from None


async def find(driver: Driver, store: TaskStore, wanted: Wanted) -> StoredTask:
    """The task that is meant. Raises `AsyncTasQError` where there is none, or more than one."""
    return await _find(store, wanted, await _queues(driver, (wanted,)))


async def find_all(driver: Driver, store: TaskStore, all: Sequence[Wanted]) -> list[TaskRef]:
    """The addresses of all that are meant; raises for the first that is not there."""
    queues = await _queues(driver, all)
    return [(await _find(store, one, queues)).ref for one in all]


async def _queues(driver: Driver, all: Sequence[Wanted]) -> Sequence[str]:
    """Where to look for those whose queue is not known: asked once for all."""
    if None not in {queue for queue, _ in all}:
        return ()
    return [each.queue for each in await driver.stats()]


async def _find(store: TaskStore, wanted: Wanted, queues: Sequence[str]) -> StoredTask:
    queue, id = wanted
    names = [queue] if queue else queues
    found = [task for name in names if (task := await store.get(TaskRef(name, id)))]
    if len(found) == 1:
        return found[0]
    if found:
        several = " and ".join(f"{task.ref.queue}/{id}" for task in found)
        raise AsyncTasQError(f"task {id} is in several queues: say which, as in {several}")
    where = f"queue {queue!r}" if queue else f"the {len(queues)} queue(s) of this backend"
    raise AsyncTasQError(f"no task {id} in {where}")
