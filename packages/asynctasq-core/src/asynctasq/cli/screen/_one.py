"""The screen of one worker: a snapshot, made into lines of text. Nothing here asks or prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rich.text import Text

from asynctasq.cli.screen._layout import (
    LABEL,
    Column,
    bars,
    clock,
    count,
    cropped,
    cut,
    head,
    row,
    rule,
)
from asynctasq.cli.screen._rate import Rate
from asynctasq.worker import QueueSnapshot, RunningTask, WorkerSnapshot

BAD: Final = "red"
WARNING: Final = "yellow"
MOST_TASKS: Final = 5
_LEAST_LINES: Final = 4
_LEAST_BARS: Final = 10
_IDS_FROM: Final = 92
"""Narrower terminals show the end of an id."""

NUMBERS: Final = (
    Column("running", 7, "right"),
    Column("completed", 9, "right"),
    Column("failed", 6, "right"),
    Column("retried", 7, "right", from_width=50),
    Column("dead", 5, "right"),
)
_QUEUES: Final = (Column("queue", 0), *NUMBERS)
_TASKS: Final = (
    Column("longest running", 0, keep="end"),
    Column("queue", 12, from_width=56),
    Column("id", 13, keep="end", from_width=72),
    Column("seconds", 8, "right"),
)


class WorkerPicture:
    """One worker, whenever it is looked at."""

    def __init__(self, look: Callable[[], WorkerSnapshot]) -> None:
        self._look = look
        self._rate = Rate()

    def lines(self, width: int, height: int) -> list[Text]:
        """What it does."""
        seen = self._look()
        self._rate.note(time.monotonic(), seen.completed + seen.failed)
        return lines(seen, self._rate, width, height)

    def summary(self, width: int) -> list[Text]:
        """What it has done."""
        return summary(self._look(), width)


def lines(seen: WorkerSnapshot, rate: Rate, width: int, height: int) -> list[Text]:
    """What a terminal of this size shows of a worker that runs: two thirds of it, at most."""
    room = max(_LEAST_LINES, height * 2 // 3)
    shown = [
        rule(f"asynctasq worker {seen.worker}", f"up {clock(seen.uptime)}", width),
        _backend(seen, width),
        figures(seen.running, seen.concurrency, seen.buffered, rate, width),
        *(notices(seen, width) or [Text("")]),
    ]
    rows = _queues(seen.queues, width, room - len(shown))
    shown += rows
    return [*shown, *tasks(seen.longest, seen.concurrency, width, room - len(shown))][:height]


def summary(seen: WorkerSnapshot, width: int) -> list[Text]:
    """What stays when the worker has ended."""
    title = rule(f"asynctasq worker {seen.worker}", f"ended after {clock(seen.uptime)}", width)
    return [title, *_queues(seen.queues, width, len(seen.queues) + 2)]


def figures(running: int, most: int, buffered: int, rate: Rate, width: int) -> Text:
    """How much it does, right now and in the last minute."""
    per_second = rate.per_second()
    shown = f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"
    line = Text.assemble(
        (" running ", LABEL),
        f"{min(running, most):,}/{most:,}".ljust(11),
        ("waiting ", LABEL),
        f"{buffered:,}".ljust(8),
        ("tasks/s ", LABEL),
        shown.ljust(8),
    )
    room = width - 1 - line.cell_len
    if room >= _LEAST_BARS:
        line.append(bars(rate.bars()[-room:]), "cyan")
    return cropped(line, width)


def backend(driver: str, state: str, away_for: float) -> Text:
    """The backend, and whether it is there."""
    colour = {"connected": "green", "connecting": LABEL}.get(state, WARNING)
    said = f"away for {away_for:.0f} s, reconnecting" if state == "away" else state
    return Text.assemble((" ● ", colour), cut(driver, 20), " ", (said, colour))


def notices(seen: WorkerSnapshot, width: int) -> list[Text]:
    """What an operator has to know."""
    said: list[Text] = []
    if seen.blocked is not None:
        blocked = f" event loop blocked for {seen.blocked.seconds:.1f} s by {seen.blocked.by}"
        said.append(Text(cut(blocked, width), BAD))
    if seen.stops_within is not None:
        tasks = "1 task" if seen.running == 1 else f"{seen.running:,} tasks"
        stops = f" stopping: waiting for {tasks}, {seen.stops_within:.0f} s left"
        said.append(Text(cut(stops, width), WARNING))
    return said


def numbers(of: QueueSnapshot | WorkerSnapshot) -> dict[str, str]:
    """The cells of `NUMBERS`."""
    return {column.head: count(getattr(of, column.head), column.width) for column in NUMBERS}


def alarms(failed: int, dead: int) -> dict[str, str]:
    """Styles of the cells that tell of failures, where there were any."""
    return ({"failed": WARNING} if failed else {}) | ({"dead": BAD} if dead else {})


def tasks(longest: Sequence[RunningTask], most: int, width: int, room: int) -> list[Text]:
    """The tasks that run longest, in as many lines however few they are."""
    rows = min(MOST_TASKS, most, room - 2)
    if rows < 1:
        return []
    columns = _TASKS if width < _IDS_FROM else [_whole(column) for column in _TASKS]
    shown = [row(columns, _task(task), width) for task in longest[:rows]]
    if not longest:
        shown = [Text(" nothing runs", LABEL)]
    return [Text(""), head(columns, width), *shown, *[Text("")] * (rows - len(shown))]


def _whole(column: Column) -> Column:
    return column._replace(width=36) if column.head == "id" else column


def _task(task: RunningTask) -> dict[str, str]:
    return {
        "longest running": task.name,
        "queue": task.queue,
        "id": str(task.id),
        "seconds": f"{task.seconds:,.1f}",
    }


def _backend(seen: WorkerSnapshot, width: int) -> Text:
    return cropped(backend(seen.driver, seen.backend, seen.away_for), width)


def _queues(queues: Sequence[QueueSnapshot], width: int, room: int) -> list[Text]:
    """A line for each queue, as far as there is room, and one for all of them."""
    if room < 2:
        return []
    shown = list(queues[: room - 1]) if len(queues) == 1 else list(queues[: max(room - 2, 0)])
    lines = [head(_QUEUES, width), *(_queue(queue, width) for queue in shown)]
    if len(queues) > 1:
        more = len(queues) - len(shown)
        lines.append(_queue(_total(queues), width, f"all, {more} more" if more else "all"))
    return lines


def _queue(queue: QueueSnapshot, width: int, name: str | None = None) -> Text:
    cells = {"queue": queue.name if name is None else name, **numbers(queue)}
    style = "" if name is None else LABEL
    return row(_QUEUES, cells, width, style, **alarms(queue.failed, queue.dead))


def _total(queues: Iterable[QueueSnapshot]) -> QueueSnapshot:
    sums = {name.head: 0 for name in NUMBERS}
    for queue in queues:
        for name in sums:
            sums[name] += getattr(queue, name)
    return QueueSnapshot(name="all", **sums)
