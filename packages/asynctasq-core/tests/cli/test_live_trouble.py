"""The live screen where something is wrong: with it, with the terminal, with what is open."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asynctasq.cli.screen._capture import harmless

from .conftest import CTRL_C, Terminal
from .test_live import BLOCKS, MEMORY

Start = Callable[..., Terminal]

FAILS = """
import logging, select, sys, threading
from asynctasq.cli.screen import _live

def fail(*_):
    while select.select((), (2,), (), 0)[1]:  # until somebody waits, with the lock of the log
        pass
    raise ValueError("\\x1b[2J")

class Picture:
    def lines(self, width, height):
        return {lines}
    def summary(self, width):
        return []

def log():
    for number in range(400):
        logging.warning("line %d %s", number, 8000 * "y")

logging.basicConfig(format="%(message)s")  # as an application may log: at once
{before}
with _live.shown(Picture()):
    thread = threading.Thread(target=log)
    thread.start()
    thread.join()
"""


@pytest.mark.concurrent
@pytest.mark.parametrize(
    ("lines", "before"),
    [("fail()", ""), ("[]", "_live._as_text = fail")],
    ids=["drawing", "printing"],
)
def test_a_screen_that_fails_while_the_log_waits_for_it_lets_it_go_on(
    terminal: Start, lines: str, before: str
) -> None:
    shown = terminal(sys.executable, "-c", FAILS.format(lines=lines, before=before), columns=200)
    shown.draws = False
    assert shown.ended() == 0
    numbers = [int(number) for number in re.findall(rb"line (\d+) y", shown.raw)]
    assert numbers == list(range(400))
    assert rb"ValueError: \x1b[2J" in shown.raw
    assert b"\x1b[2J" not in shown.raw


LONG = """
import sys
from asynctasq import task

@task
async def shout() -> None:
    sys.stdout.write("before\\n\\x1b[" + 5000 * "1" + "mlong\\nafter\\n")

shout().dispatch_sync()
"""


def test_a_number_that_is_too_long_for_python_is_no_colour(worker: Start) -> None:
    shown = worker(LONG, *MEMORY, "--max-tasks", "1", lines=90)
    assert shown.ended() == 0
    assert shown.shows(r"^before\n\\x1b\[111")
    assert shown.shows(r"1mlong\nafter$")
    assert "the screen ends" not in shown.text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[mx\x1b[1;38;2;255;0;128mx", "\x1b[mx\x1b[1;38;2;255;0;128mx"),
        ("\x1b[" + "1;" * 40 + "m", r"\x1b[" + "1;" * 40 + "m"),
        ("\x1b[" + "1" * 100_000, r"\x1b[" + "1" * 100_000),
        ("\x1b[\u0661m", "\\x1b[\u0661m"),
    ],
)
def test_colours_are_few_short_numbers(line: str, shown: str) -> None:
    assert harmless(line) == shown


OPEN = """
import os
from asynctasq import task

@task
async def look() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    numbers = [str(n) for n in (0, 1, 2) if os.fstat(n).st_rdev == os.fstat(null).st_rdev]
    with open("seen", "w") as file:
        file.write(" ".join(numbers))

look().dispatch_sync()
"""


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1", "1 2", "0 1 2"])
def test_what_is_closed_leads_nowhere(worker: Start, closed: str) -> None:
    shell = "{} " + " ".join(f"{number}>&-" for number in closed.split())
    shown = worker(OPEN, *MEMORY, "--max-tasks", "1", shell=shell)
    assert shown.ended() == 0, shown.text
    assert Path("seen").read_text() == closed


@pytest.mark.concurrent
def test_a_second_ctrl_c_leaves_the_cursor_where_there_is_no_output(worker: Start) -> None:
    shown = worker(BLOCKS, *MEMORY, shell="{} >&-")
    shown.until("event loop blocked")
    shown.press(CTRL_C)
    shown.until("stopping: waiting")
    shown.press(CTRL_C)
    assert shown.ended() == 128 + signal.SIGINT, shown.text
    assert shown.cursor_is_visible


STUCK = """
import logging, threading
from asynctasq.cli._exits import AT_THE_END, end_at_once

class Stuck(logging.Handler):
    def flush(self):
        threading.Event().wait()

def stuck():
    threading.Event().wait()

handler = Stuck()
AT_THE_END.append(stuck)
AT_THE_END.append(lambda: print("called", flush=True))
end_at_once(7)
"""


def test_the_end_does_not_wait_for_a_log_that_cannot_be_written(terminal: Start) -> None:
    began = time.monotonic()
    shown = terminal(sys.executable, "-c", STUCK)
    assert shown.ended() == 7
    assert shown.shows("^called$")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("screen", ["--screen", "--no-screen"])
def test_a_terminal_that_hangs_up_ends_a_worker_as_any_program(worker: Start, screen: str) -> None:
    shown = worker(BLOCKS, *MEMORY, screen)
    shown.until("worker_online")
    shown.hang_up()
    assert shown.process.wait(20) == -signal.SIGHUP


GOES_ON = """
from asynctasq import task

@task
def work() -> None:
    open("gate").close()
    for _ in range(30_000):
        print(100 * "y", flush=True)
    open("done", "w").close()

work().dispatch_sync()
"""


@pytest.mark.concurrent
def test_a_worker_that_ignores_the_hang_up_finishes_and_ends_well(
    worker: Start, clean: Path
) -> None:
    os.mkfifo("gate")
    shown = worker(GOES_ON, *MEMORY, "--max-tasks", "1", shell="trap '' HUP; {}")
    shown.until("running 1/10")
    shown.hang_up()
    os.close(os.open("gate", os.O_WRONLY))
    assert shown.process.wait(20) == 0
    assert Path("done").exists()


RELEASES = """
import sys, threading
from asynctasq.cli.screen._capture import Capture

sys.setswitchinterval(1e-6)
for _ in range(300):
    capture, all_here, failed = Capture(), threading.Barrier(8), []
    def release():
        all_here.wait()
        try:
            capture.release()
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=release) for _ in range(8)]
    for each in threads: each.start()
    for each in threads: each.join()
    assert not failed, failed
print("released")
"""


@pytest.mark.concurrent
def test_a_terminal_is_given_back_once_whoever_does_it(terminal: Start) -> None:
    shown = terminal(sys.executable, "-c", RELEASES)
    assert shown.ended() == 0, shown.text
    assert shown.shows("^released$")
