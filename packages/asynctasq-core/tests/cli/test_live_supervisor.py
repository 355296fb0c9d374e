"""``asynctasq worker --workers 2`` on a terminal: one screen for all, which no worker needs."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from asynctasq.cli._exits import AT_THE_END
from asynctasq.cli.supervisor import Board, obeying
from asynctasq.cli.supervisor._reports import Inbox, Outbox
from asynctasq.cli.supervisor._supervisor import _Supervisor
from asynctasq.worker import QueueSnapshot, Worker, WorkerSnapshot

from .conftest import CTRL_C, Terminal
from .test_live import IDLE
from .test_supervisor import QUICK, SHARED, TASK, WAITS

Start = Callable[..., Terminal]
COLOUR = re.compile(rb"\x1b\[[\d;]*m")
QUIET = TASK.format(body='open("gate").close()')
CLOSES = TASK.format(
    body="""import os, time
    os.close(1)
    while not os.path.exists("go"):
        time.sleep(0.01)"""
)
"""What it waits for opens no file, which would get the number of the one that is closed."""


@pytest.fixture
def workers(site: Any, worker: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run two workers under one supervisor, in a terminal."""
    site.driver("acme", source=SHARED)
    os.mkfifo("gate")
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site.folder), inherited]))

    def start(source: str, *words: str, **how: Any) -> Terminal:
        return worker(source, "--driver", "acme", "--workers", "2", *words, columns=120, **how)

    return start


def pid_of(number: int, shown: Terminal) -> int:
    found = re.search(rf"^ +{number} +(\d+)  running", shown.text, re.MULTILINE)
    assert found, shown.text
    return int(found[1])


@pytest.mark.concurrent
def test_it_has_a_row_for_each_and_says_when_one_is_replaced(workers: Start) -> None:
    shown = workers(QUICK)
    shown.until(r"^ +1 +\d+  running +0 +1 +0 +0 +0\n +2 +\d+  running +0 +1 +0 +0 +0\n +all +0 +2")
    assert shown.shows("● acme connected")
    assert shown.text.count("asynctasq worker, 2 processes") == 1
    killed = pid_of(2, shown)
    os.kill(killed, signal.SIGKILL)
    shown.until(rf"^ +2 +{killed}  replaced in \d s: was ended by SIGKILL$")
    shown.until(r"^ +2 +\d+  running +0 +1 +0 +0 +0\n +all +0 +3")
    assert pid_of(2, shown) != killed
    shown.press(CTRL_C)
    assert shown.ended() == 0, shown.text
    assert shown.cursor_is_visible
    assert shown.shows("ended after ")
    assert len(re.findall(r"\d  ended with exit code 0, stopped as asked", shown.text)) == 2


@pytest.mark.concurrent
def test_workers_outlive_a_supervisor_that_is_killed_and_write_to_the_terminal(
    workers: Start,
) -> None:
    shown = workers(WAITS)
    shown.until(r"^ +1 +\d+  running +1 .*\n +2 +\d+  running +1 ")
    shown.process.kill()
    gate = os.open("gate", os.O_WRONLY)
    shown.ended()
    os.close(gate)
    assert shown.text.count("finished") == 2
    assert shown.text.count("worker_offline") == 2
    assert "BrokenPipeError" not in shown.text
    assert shown.cursor_is_visible


@pytest.mark.concurrent
def test_a_second_ctrl_c_ends_all_at_once_and_leaves_the_cursor(workers: Start) -> None:
    shown = workers(WAITS)
    shown.until(r"^ +1 +\d+  running +1 .*\n +2 +\d+  running +1 ")
    shown.press(CTRL_C)
    shown.until("stopping: 2 of 2 still run")
    shown.press(CTRL_C)
    assert shown.ended() == 128 + signal.SIGINT, shown.text
    assert shown.cursor_is_visible


HUNDRED = """
from asynctasq import task

@task
async def work() -> None: ...

for _ in range(100):
    work().dispatch_sync()
"""


@pytest.mark.concurrent
def test_the_last_picture_counts_all_that_was_done_however_short_it_ran(workers: Start) -> None:
    shown = workers(HUNDRED, "--max-tasks", "100")
    assert shown.ended() == 0, shown.text
    assert shown.shows(r"^ +all +0 +200 +0 +0 +0$")


@pytest.mark.asyncio
async def test_what_a_process_told_before_its_end_is_read_after_it() -> None:
    board = Board(1)
    board.started(1, 4711)
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for completed in (7, 8):
            Outbox(theirs).put(snapshot(completed, length=1))
        supervisor = _Supervisor((), board, "", until_done=True, gives=(0, 0))
        assert await supervisor._ended(1, process, ours) == 0
    assert board.totals()["completed"] == 8


FLOODS = """
import os
from asynctasq import task

@task
def work() -> None:
    open("gate").close()
    for _ in range(300):
        os.write(2, 40 * (b"y" * 99 + b"\\n"))
    open(f"done.{os.getpid()}", "w").close()

work().dispatch_sync()
"""
"""Each writes more than a pipe holds."""


@pytest.mark.concurrent
def test_nobody_waits_for_a_supervisor_that_is_suspended(workers: Start) -> None:
    shown = workers(FLOODS)
    shown.until(r"^ +1 +\d+  running +1 .*\n +2 +\d+  running +1 ")
    shown.process.send_signal(signal.SIGSTOP)
    shown.draws = False
    gate = os.open("gate", os.O_WRONLY)
    shown.until(lambda: len([*Path().glob("done.*")]) == 2)
    shown.process.send_signal(signal.SIGCONT)
    shown.until(lambda: re.search(rb"\r\n +all +0 +2 ", COLOUR.sub(b"", shown.raw[-50_000:])), 45)
    shown.press(CTRL_C)
    assert shown.ended() == 0, shown.text
    os.close(gate)


@pytest.mark.concurrent
@pytest.mark.parametrize(
    ("source", "shell"),
    [(QUIET, "{} >&-"), (QUIET, "{} <&-"), (CLOSES, "{}")],
    ids=["no output", "no input", "application"],
)
def test_workers_outlive_their_supervisor_whatever_is_closed(
    workers: Start, source: str, shell: str
) -> None:
    shown = workers(source, shell=shell)
    shown.until(r"^ +1 +\d+  running +1 .*\n +2 +\d+  running +1 ")
    shown.process.kill()
    shown.until(lambda: shown.cursor_is_visible)
    Path("go").touch()
    gate = os.open("gate", os.O_RDWR)
    shown.ended()
    os.close(gate)
    assert shown.text.count("worker_offline") == 2
    assert "Traceback" not in shown.text


@pytest.mark.concurrent
def test_a_terminal_that_hangs_up_lets_workers_finish(workers: Start) -> None:
    reading, writing = os.pipe()
    shown = workers(WAITS, stdout=writing)
    os.close(writing)
    shown.until(r"^ +1 +\d+  running +1 .*\n +2 +\d+  running +1 ")
    shown.hang_up()
    assert shown.process.wait(20) == -signal.SIGHUP
    gate = os.open("gate", os.O_WRONLY)
    with os.fdopen(reading) as output:
        assert output.read().count("finished") == 2  # and then both have ended
    os.close(gate)


def test_only_the_supervisor_loads_the_screen(workers: Start) -> None:
    shown = workers(IDLE, "--max-tasks", "1")
    assert shown.ended() == 0, shown.text
    assert shown.text.count("the screen is not loaded") == 2


class Recorded:
    """As much of a worker as its supervisor hears of."""

    def __init__(self) -> None:
        self.completed = 0
        self.stopped = threading.Event()

    def snapshot(self) -> WorkerSnapshot:
        return snapshot(self.completed, length=1)

    def stop(self) -> None:
        self.stopped.set()


def heard(inbox: Inbox) -> int:
    """How much it has completed, by all that has come."""
    while inbox.read():
        pass
    assert inbox.latest is not None
    return inbox.latest.completed


def test_the_last_that_a_worker_tells_is_what_it_has_done() -> None:
    (ours, theirs), (reading, writing) = socket.socketpair(), os.pipe()
    worker, inbox, before = Recorded(), Inbox(ours), set(threading.enumerate())
    socket.send_fds(ours, [b"\n"], [reading, os.open(os.devnull, os.O_WRONLY)])
    with theirs:
        with obeying(theirs, cast("Worker", worker)):
            worker.completed = 7
            AT_THE_END[-1]()  # it is ended at once
            assert heard(inbox) == 7
            worker.completed = 8
        assert heard(inbox) == 8
        ours.close()
        os.close(writing)
        assert worker.stopped.wait(20)
        for each in set(threading.enumerate()) - before:
            each.join(20)


def snapshot(completed: int, length: int = 300_000) -> WorkerSnapshot:
    """One that is larger than what a socket takes at a time, unless it is told to be short."""
    queues = (QueueSnapshot(name="q" * length, completed=completed),)
    return WorkerSnapshot(
        worker="w", pid=1, driver="d", backend="connected", concurrency=1, queues=queues
    )


def test_a_supervisor_that_does_not_read_keeps_no_worker_and_reads_on_in_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        inbox, outbox = Inbox(ours), Outbox(theirs)
        outbox.configured()
        for number in range(100):  # nobody reads: the first is cut, the others are not sent
            outbox.put(snapshot(number))
        while inbox.latest is None:
            while select.select((ours,), (), (), 0)[0]:
                assert inbox.read()
            outbox.put(snapshot(100))
        assert inbox.latest == snapshot(0)
        while inbox.latest == snapshot(0):
            outbox.put(snapshot(101))
            assert inbox.read()
        assert inbox.latest.completed >= 100


def test_what_makes_no_sense_is_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        inbox = Inbox(ours)
        with theirs:
            theirs.send(b"\n{}\nnonsense\n")
            assert inbox.read()
        assert inbox.latest is None
        assert not inbox.read()
        assert not inbox.is_open


@pytest.mark.concurrent
def test_a_terminal_that_stops_who_writes_in_the_background_stops_no_worker(workers: Start) -> None:
    shown = workers(QUICK, "--no-screen", "--max-tasks", "1", shell="stty tostop; {}")
    assert shown.ended() == 0
    assert shown.text.count("worker_offline") == 2
