"""The screen of a supervisor: a row for each process, and all of them together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from asynctasq.cli.screen._layout import (
    LABEL,
    Column,
    clock,
    count,
    cropped,
    cut,
    head,
    row,
    rule,
)
from asynctasq.cli.screen._one import (
    BAD,
    NUMBERS,
    WARNING,
    alarms,
    backend,
    figures,
    notices,
    numbers,
    tasks,
)
from asynctasq.cli.screen._rate import Rate
from asynctasq.cli.supervisor._board import Board, Process
from asynctasq.worker import WorkerSnapshot

_COLUMNS: Final = (
    Column("worker", 6, "right"),
    Column("pid", 7, "right", from_width=70),
    Column("state", 0),
    *(each._replace(from_width=66) if each.head == "retried" else each for each in NUMBERS),
)
_COUNTED: Final = [column.head for column in NUMBERS]


class Picture:
    """All processes, whenever they are looked at."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._rate = Rate()

    def lines(self, width: int, height: int) -> list[Text]:
        """What they do: two thirds of the terminal, at most."""
        board, now = self._board, time.monotonic()
        rows, totals = board.rows(), board.totals()
        self._rate.note(now, totals["completed"] + totals["failed"])
        seen = [each.seen for each in rows if each.seen and not each.ended]
        shown = [
            rule(f"asynctasq worker, {board.count} processes", _up(board, now), width),
            _backend(seen, width),
            _figures(seen, self._rate, width),
            *(_notices(board, rows, width) or [Text("")]),
        ]
        room = max(height * 2 // 3, 4) - len(shown)
        shown += _table(board, rows, totals, now, width, room)
        longest = sorted((t for each in seen for t in each.longest), key=lambda t: -t.seconds)
        most = sum(each.concurrency for each in seen)
        return [*shown, *tasks(longest, most, width, room - board.count - 2)][:height]

    def summary(self, width: int) -> list[Text]:
        """What they have done."""
        board, now = self._board, time.monotonic()
        ended = f"ended after {clock(now - board.began)}"
        title = rule(f"asynctasq worker, {board.count} processes", ended, width)
        rows = board.rows()
        return [title, *_table(board, rows, board.totals(), now, width, len(rows) + 2)]


def _up(board: Board, now: float) -> str:
    return f"up {clock(now - board.began)}"


def _backend(seen: Sequence[WorkerSnapshot], width: int) -> Text:
    """As the one sees it that has been without it for longest."""
    if not seen:
        return Text(" ● starting", LABEL)
    worst = max(seen, key=lambda each: (each.away_for, each.backend == "connecting"))
    return cropped(backend(worst.driver, worst.backend, worst.away_for), width)


def _figures(seen: Sequence[WorkerSnapshot], rate: Rate, width: int) -> Text:
    running = sum(each.running for each in seen)
    most = sum(each.concurrency for each in seen)
    return figures(running, most, sum(each.buffered for each in seen), rate, width)


def _notices(board: Board, rows: Sequence[Process], width: int) -> list[Text]:
    said: list[Text] = []
    for each in rows:
        if each.seen and each.seen.blocked and not each.ended:
            only_blocked = notices(each.seen, width)[0].plain.lstrip()
            said.append(Text(cut(f" worker {each.number}: {only_blocked}", width), BAD))
    if board.stopping:
        left = sum(not each.ended for each in rows)
        said.append(Text(cut(f" stopping: {left} of {board.count} still run", width), WARNING))
    return said


def _table(
    board: Board,
    rows: Sequence[Process],
    totals: dict[str, int],
    now: float,
    width: int,
    room: int,
) -> list[Text]:
    if room < 3:
        return []
    shown = [_process(each, now, width) for each in rows[: room - 2]]
    waiting = min(board.count, room - 2) - len(shown)  # those that have not been started yet
    more = max(len(rows) - len(shown), 0)
    cells = {"state": f"all, {more} more" if more else "all", "running": _running(rows)}
    cells |= {
        each.head: count(totals[each.head], each.width) for each in NUMBERS if each.head in totals
    }
    styles = alarms(totals["failed"], totals["dead"])
    return [
        head(_COLUMNS, width),
        *shown,
        *[Text("")] * waiting,
        row(_COLUMNS, cells, width, LABEL, **styles),
    ]


def _running(rows: Sequence[Process]) -> str:
    running = sum(each.seen.running for each in rows if each.seen and not each.ended)
    return count(running, NUMBERS[0].width)


def _process(each: Process, now: float, width: int) -> Text:
    if each.ended:
        return _ended(each, now, width)
    state, style = _state(each.seen)
    cells = {"worker": str(each.number), "pid": str(each.pid), "state": state}
    if each.seen is None:
        return row(_COLUMNS, cells, width, state=style)
    styles = alarms(each.seen.failed, each.seen.dead)
    return row(_COLUMNS, {**cells, **numbers(each.seen)}, width, state=style, **styles)


def _ended(each: Process, now: float, width: int) -> Text:
    """How, and when the next one starts, over the room of its numbers."""
    said = each.ended
    if each.replaced_at is not None:
        said = f"replaced in {max(0.0, each.replaced_at - now):.0f} s: {said}"
    columns = [column for column in _COLUMNS if column.head not in _COUNTED]
    cells = {"worker": str(each.number), "pid": str(each.pid or "-"), "state": said}
    return row(columns, cells, width, state=LABEL if each.replaced_at is None else WARNING)


def _state(seen: WorkerSnapshot | None) -> tuple[str, str]:
    if seen is None:
        return "starting", LABEL
    if seen.blocked is not None:
        return "blocked", BAD
    if seen.stops_within is not None:
        return f"stopping, {seen.stops_within:.0f} s", WARNING
    if seen.backend != "connected":
        return seen.backend, WARNING
    return "running", ""
