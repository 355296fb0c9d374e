"""The task store of the configured backend, and walking through what it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeVar, get_args

import click

from asynctasq.cli._backend import backend_name, with_backend
from asynctasq.cli._queue_name import queue_name
from asynctasq.driver import Driver, StoredTask, TaskState, TaskStore
from asynctasq.errors import Unsupported

T = TypeVar("T")
Work = Callable[[Driver, TaskStore], Awaitable[T]]

STATES: Final[tuple[TaskState, ...]] = ("running", "pending", "scheduled", "dead", "completed")
"""In the order in which they are shown."""
_PAGE: Final = 500

assert set(STATES) == set(get_args(TaskState))

queue_option = click.option(
    "--queue", type=queue_name, metavar="QUEUE", help="Only tasks of this queue. [default: all]"
)
json_option = click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")


def with_store(work: Work[T]) -> T:
    """Do it with the configured driver, open. Raises `Unsupported` for one without a task store."""

    async def checked(driver: Driver) -> T:
        if not isinstance(driver, TaskStore):
            raise Unsupported(f"the {backend_name()} driver cannot look at single tasks")
        return await work(driver, driver)

    return with_backend(checked)


async def stored(
    store: TaskStore, states: Sequence[TaskState], queue: str | None, page_of: int = _PAGE
) -> AsyncIterator[StoredTask]:
    """Every task in one of these states, state by state; so many at a time are asked for."""
    for state in states:
        cursor: str | None = None
        while True:
            page = await store.list(state, queue, min(page_of, _PAGE), cursor)
            for task in page.tasks:
                yield task
            if (cursor := page.cursor) is None:
                break
