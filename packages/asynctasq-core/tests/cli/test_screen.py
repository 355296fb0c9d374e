"""What a screen shows: snapshots made into lines, whatever is in them and however narrow it is."""

from __future__ import annotations

from uuid import UUID

import pytest
from rich.console import Console
from rich.text import Text

from asynctasq.cli.screen._all import Picture
from asynctasq.cli.screen._layout import bars, count, cut
from asynctasq.cli.screen._one import WorkerPicture, lines, summary
from asynctasq.cli.screen._rate import BARS, Rate
from asynctasq.cli.supervisor._board import Board
from asynctasq.worker import BlockedLoop, QueueSnapshot, RunningTask, WorkerSnapshot

HOSTILE = "[red]x[/red] :smile: \x1b[2J\x9b31m\u202e\r\n 日本語"
SHOWN = r"[red]x[/red] :smile: \x1b[2J\x9b31m\u202e\r  日本語"


def snapshot(name: str = "mail", **fields: object) -> WorkerSnapshot:
    task = RunningTask(name=name, queue=name, id=UUID(int=7), attempt=1, seconds=12.34)
    queue = QueueSnapshot(name=name, running=1, completed=1234, failed=3, retried=2, dead=1)
    known: dict[str, object] = {
        "worker": name,
        "pid": 4711,
        "driver": "memory",
        "backend": "connected",
        "concurrency": 10,
        "queues": (queue,),
        "longest": (task,),
        "uptime": 3723.0,
    }
    return WorkerSnapshot(**known | fields)


def drawn(shown: list[Text], width: int) -> str:
    """As a terminal gets it, with nothing left out."""
    console = Console(width=width, force_terminal=True, color_system="truecolor")
    with console.capture() as captured:
        for line in shown:
            console.print(line)
    return captured.get()


def text(shown: list[Text]) -> str:
    return "\n".join(line.plain for line in shown)


def test_it_shows_what_the_worker_does() -> None:
    seen = text(lines(snapshot(buffered=4), Rate(), 100, 40))
    assert "asynctasq worker mail" in seen
    assert "up 1:02:03" in seen
    assert "● memory connected" in seen
    assert "running 1/10" in seen
    assert "waiting 4" in seen
    assert seen.count("1,234") == 1
    row = next(line for line in seen.splitlines() if line.startswith(" mail ") and "1,234" in line)
    assert row.split() == ["mail", "1", "1,234", "3", "2", "1"]
    task = lines(snapshot(), Rate(), 100, 40)[-5]  # of five places for tasks, the first
    assert task.plain.split() == ["mail", "mail", str(UUID(int=7)), "12.3"]


def test_several_queues_have_a_row_for_all_of_them() -> None:
    queues = (QueueSnapshot(name="a", completed=1), QueueSnapshot(name="b", completed=2, failed=1))
    seen = text(lines(snapshot(queues=queues), Rate(), 100, 40)).splitlines()
    assert [line.split() for line in seen if line.startswith(" all ")] == [
        ["all", "0", "3", "1", "0", "0"]
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"backend": "connecting"}, "● memory connecting"),
        ({"backend": "away", "away_for": 7.4}, "● memory away for 7 s, reconnecting"),
        ({"blocked": BlockedLoop("task a 1 (queue b)", 3.21)}, "blocked for 3.2 s by task a 1"),
        ({"stops_within": 9.6}, "stopping: waiting for 1 task, 10 s left"),
    ],
)
def test_it_says_what_an_operator_has_to_know(fields: dict[str, object], said: str) -> None:
    assert said in text(lines(snapshot(**fields), Rate(), 100, 40))


def test_a_notice_moves_no_line() -> None:
    quiet = lines(snapshot(), Rate(), 100, 40)
    told = lines(snapshot(stops_within=3.0), Rate(), 100, 40)
    assert len(quiet) == len(told)
    assert [a == b for a, b in zip(quiet, told, strict=True)].count(False) == 1


@pytest.mark.parametrize("running", [0, 1, 5, 10])
def test_lines_stay_as_many_however_few_tasks_run(running: int) -> None:
    longest = snapshot().longest * running
    assert len(lines(snapshot(longest=longest), Rate(), 100, 40)) == 13


def board(name: str) -> Board:
    board = Board(2)
    board.started(1, 101)
    board.told(1, snapshot(name, blocked=BlockedLoop(name, 1.0)))
    board.started(2, 102)
    return board


def everything(name: str, width: int, height: int) -> list[list[Text]]:
    seen = snapshot(name, driver=name, blocked=BlockedLoop(name, 1.0), stops_within=1.0)
    return [
        lines(seen, Rate(), width, height),
        summary(seen, width),
        Picture(board(name)).lines(width, height),
        Picture(board(name)).summary(width),
    ]


def test_names_are_text_and_nothing_else() -> None:
    for shown in everything(HOSTILE, 160, 40):
        got = drawn(shown, 160)
        assert "\x1b[2J" not in got
        assert not {"\x9b", "\u202e", "\r", "😄"} & set(got)
    assert SHOWN in text(lines(snapshot(HOSTILE), Rate(), 160, 40))


@pytest.mark.parametrize("width", [1, 2, 10, 20, 36, 46, 56, 66, 76, 104, 200])
@pytest.mark.parametrize("height", [1, 5, 10, 24, 60])
@pytest.mark.parametrize("name", ["a", "shop.tasks." + "x" * 90, "日本" * 40, HOSTILE])
def test_it_fits_terminals_of_every_size(width: int, height: int, name: str) -> None:
    worker, _, all_of_them, _ = everything(name, width, height)
    for shown in (worker, all_of_them):
        assert len(shown) <= height
    for shown in everything(name, width, height):
        assert max(line.cell_len for line in shown) <= width
        assert all("\n" not in line.plain for line in shown)


def test_two_thirds_of_a_terminal_are_the_most() -> None:
    queues = tuple(QueueSnapshot(name=f"q{number}") for number in range(50))
    seen = lines(snapshot(queues=queues), Rate(), 80, 24)
    assert len(seen) <= 16
    assert "all, 40 more" in text(seen)


def test_each_process_has_a_row_and_all_have_one() -> None:
    known = board("mail")
    seen = text(Picture(known).lines(100, 40))
    assert "1      101  blocked" in seen
    assert "2      102  starting" in seen
    assert "worker 1: event loop blocked for 1.0 s by mail" in seen
    known.ended(1, 101, -9, 2.0)
    seen = text(Picture(known).lines(100, 40))
    assert "1      101  replaced in 2 s: was ended by SIGKILL" in seen
    known.started(1, 103)
    seen = text(Picture(known).lines(100, 40))
    assert "1      103  starting" in seen
    all_of_them = next(line for line in seen.splitlines() if "  all " in line)
    assert all_of_them.split() == ["all", "0", "1,234", "3", "2", "1"]  # what a former one did


def test_a_picture_counts_its_rate_from_look_to_look() -> None:
    looks = [0, 50, 200]
    queue = QueueSnapshot(name="mail")
    seen = iter(snapshot(queues=(_completed(queue, look),)) for look in looks)
    picture = WorkerPicture(lambda: next(seen))
    assert "tasks/s 0.0" in text(picture.lines(100, 40))
    assert "tasks/s 0.0" not in text(picture.lines(100, 40))


def _completed(queue: QueueSnapshot, completed: int) -> QueueSnapshot:
    return QueueSnapshot(name=queue.name, completed=completed)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    for second in range(1, 101):
        rate.note(second, min(second, 90) * 10)
    assert rate.per_second() == 0
    assert rate.bars() == (20,) * (BARS - 5) + (10, 0, 0, 0, 0)  # at 90 half a bar was full


@pytest.mark.parametrize(
    ("numbers", "shown"), [([0, 0], "▁▁"), ([0, 1, 50, 100], "▁▂▅█"), ([], ""), ([7], "█")]
)
def test_bars_are_as_high_as_the_highest_lets_them(numbers: list[int], shown: str) -> None:
    assert bars(numbers) == shown


@pytest.mark.parametrize(
    ("number", "width", "shown"),
    [(999_999, 7, "999,999"), (1_234_567, 7, "1234.6k"), (12_345_678, 7, "12.3M"), (0, 1, "0")],
)
def test_a_number_fits_its_column(number: int, width: int, shown: str) -> None:
    assert count(number, width) == shown


def test_what_is_cut_says_so_at_either_end() -> None:
    assert cut("shop.tasks.mail", 8) == "shop.ta…"
    assert cut("shop.tasks.mail", 8, "end") == "…ks.mail"
    assert cut("日本語", 4) == "日…"
    assert cut("日本語", 4, "end") == "…語"
