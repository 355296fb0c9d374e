"""What retrying and deleting share: which tasks, in batches with progress, and what was done."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import click
from msgspec import Struct

from asynctasq.cli._output import as_json, is_terminal
from asynctasq.cli.tasks._refs import Wanted, find_all
from asynctasq.cli.tasks._store import stored, with_store
from asynctasq.driver import Driver, TaskRef, TaskState, TaskStore

Change = Callable[[TaskStore, Sequence[TaskRef]], Awaitable[tuple[TaskRef, ...]]]
_BATCH: Final = 500


class Changed(Struct, frozen=True):
    """What was done, and what could not be: those were in another state by then."""

    done: tuple[TaskRef, ...]
    not_done: tuple[TaskRef, ...]


def check_choice(tasks: Sequence[Wanted], everything: bool) -> None:
    """Raise UsageError unless tasks are named, or all of them meant."""
    if bool(tasks) == everything:
        raise click.UsageError("name tasks, or give --all: one of both")


def change_named(tasks: Sequence[Wanted], queue: str | None, change: Change) -> Changed:
    """Change these tasks, of this queue unless they say another. Where one is not there, none is
    changed."""
    if other := next((of for of, _ in tasks if queue and of and of != queue), None):
        raise click.UsageError(f"--queue {queue}, but a task of queue {other!r} is named")
    wanted = list(dict.fromkeys((named or queue, id) for named, id in tasks))

    async def work(driver: Driver, store: TaskStore) -> Changed:
        refs = list(dict.fromkeys(await find_all(driver, store, wanted)))
        return _result(refs, await change(store, refs))

    return with_store(work)


def change_all(state: TaskState, queue: str | None, change: Change) -> Changed:
    """Change all tasks that are in a state now. They are listed first, then changed in batches."""

    async def work(_driver: Driver, store: TaskStore) -> Changed:
        refs = [task.ref async for task in stored(store, (state,), queue)]
        done: list[TaskRef] = []
        with _progress(range(0, len(refs), _BATCH)) as batches:
            for start in batches:
                done += await change(store, refs[start : start + _BATCH])
        return _result(refs, done)

    return with_store(work)


def conclude(changed: Changed, verb: str, why_not: str, json: bool) -> None:
    """Tell what was done; exit with 1 if not all was."""
    if json:
        as_json({verb: changed.done, f"not_{verb}": changed.not_done})
    else:
        click.echo(f"{len(changed.done):,} task(s) {verb}")
    for ref in changed.not_done:
        click.echo(f"asynctasq: task {ref.queue}/{ref.id} {why_not}", err=True)
    if changed.not_done:
        sys.exit(1)


def _result(refs: Sequence[TaskRef], done: Iterable[TaskRef]) -> Changed:
    changed = set(done)
    ended = tuple(ref for ref in refs if ref in changed)
    return Changed(ended, tuple(ref for ref in refs if ref not in changed))


def _progress(batches: range) -> AbstractContextManager[Iterable[int]]:
    """The same numbers; with a bar on a terminal, where there are many."""
    if len(batches) < 2 or not is_terminal(sys.stderr):
        return nullcontext(batches)
    return click.progressbar(batches, file=sys.stderr, show_eta=True)
