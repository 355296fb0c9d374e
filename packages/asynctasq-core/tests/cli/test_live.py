"""``asynctasq worker`` on a terminal: what stands there while it runs, and when it has ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import CTRL_C, Terminal

Start = Callable[..., Terminal]
MEMORY = ("--driver", "memory")

SHOP = r"""
import os, sys
from asynctasq import task

@task(max_attempts=1)
async def fail() -> None:
    raise ValueError("[red]refused[/red] :smile: \x1b[31mred\x1b[2J gone")

@task(max_attempts=2, retry_delay=0)
async def fail_once() -> None:
    if not os.path.exists("tried"):
        open("tried", "w").close()
        raise ValueError("at first")

@task
async def tell() -> None:
    sys.stdout.write("told by a task\n")  # in one piece, also where output is not buffered
    os.system("echo told by a process of its own")

@task(name="shop.[bold]wait[/bold]")
def wait() -> None:
    open("gate").close()

os.mkfifo("gate")
for each in (fail, fail_once, tell, wait):
    each().dispatch_sync()
"""
ROW = r"^ default +1 +2 +2 +1 +1$"


@pytest.mark.concurrent
def test_it_shows_what_runs_and_the_log_above_until_ctrl_c(worker: Start) -> None:
    shown = worker(SHOP, *MEMORY)
    shown.until(ROW)
    there = (
        "^told by a task$",
        "told by a process of its own",
        "is dead",
        ROW,
        r"^ ● memory connected$",
        r"^ running 1/10 ",
        r"^ shop\.\[bold\]wait\[/bold\] +default +[0-9a-f-]{36} +\d+\.\d$",
    )
    shown.until(lambda: all(map(shown.shows, there)))  # what was read may end within a picture
    assert r"ValueError:[red]refused[/red]:smile:\x1b[31mred\x1b[2Jgone" in shown.squeezed
    above, _, below = shown.text.partition("── asynctasq worker ")
    assert "worker_online" in above
    assert "is dead" in above
    assert shown.text.count("asynctasq worker ") == 1
    assert "WARNING" not in below
    assert not shown.cursor_is_visible
    shown.press(CTRL_C)
    shown.until("stopping: waiting for 1 task, ")
    os.close(os.open("gate", os.O_WRONLY))
    assert shown.ended() == 0, shown.text
    assert shown.cursor_is_visible
    assert shown.shows(r"^ default +0 +3 +2 +1 +1$")
    assert shown.shows("ended after 0:00:")
    assert not shown.shows("longest running")
    assert shown.text.count("asynctasq worker ") == 1
    assert "worker_offline" in shown.text.partition("── asynctasq")[0]


BLOCKS = """
import os
from asynctasq import task

@task
async def hold() -> None:
    open("gate").close()

os.mkfifo("gate")
hold().dispatch_sync()
"""


@pytest.mark.concurrent
def test_a_blocked_loop_does_not_freeze_it_and_a_second_ctrl_c_leaves_the_cursor(
    worker: Start,
) -> None:
    shown = worker(BLOCKS, *MEMORY)
    shown.until(r"event loop blocked for \d\.\d s by task shop\.hold ")
    before = re.findall(r"blocked for (\d+\.\d)", shown.text)
    shown.until(lambda: re.findall(r"blocked for (\d+\.\d)", shown.text) != before)
    shown.press(CTRL_C)
    shown.until("stopping: waiting")
    shown.press(CTRL_C)
    assert shown.ended() == 128 + 2, shown.text
    assert shown.cursor_is_visible
    assert shown.shows("ended after ")


OVERRUNS = """
import asyncio, os
from asynctasq import init, task

init({"stop_grace": 0.2})

@task(timeout=1)
async def hold() -> None:
    open("gate").close()

os.mkfifo("gate")
hold().dispatch_sync()
"""


@pytest.mark.concurrent
def test_a_worker_that_ends_itself_at_once_leaves_the_cursor_and_says_why(worker: Start) -> None:
    shown = worker(OVERRUNS, *MEMORY)
    assert shown.ended() == 5, shown.text
    assert shown.cursor_is_visible
    assert "didnotstopwithin0.2s" in shown.squeezed
    assert shown.shows("ended after ")


@pytest.mark.concurrent
def test_it_follows_the_size_of_the_terminal(worker: Start) -> None:
    shown = worker(BLOCKS.replace("async def", "def"), *MEMORY, columns=100, lines=40)
    shown.until("longest running +queue +id +seconds")
    shown.resize(60, 16)
    shown.until(lambda: shown.shows("^── .{50,52} ──$") and not shown.shows("retried.{4,} id "))
    shown.until(r"^ longest running +seconds$|^ longest running +queue +seconds$")
    assert max(map(len, shown.text.splitlines())) <= 60
    shown.press(CTRL_C)
    os.close(os.open("gate", os.O_WRONLY))
    assert shown.ended() == 0


IDLE = r"""
import sys
from asynctasq import task

@task
async def look() -> None:
    loaded = {"rich", "asynctasq.cli.screen"} & set(sys.modules)
    sys.stdout.write(f"the screen is {'' if loaded else 'not '}loaded\n")  # in one piece, as above

look().dispatch_sync()
"""


@pytest.mark.parametrize(("words", "term"), [(("--no-screen",), "xterm"), ((), "dumb")])
def test_without_a_screen_a_terminal_gets_plain_lines(
    worker: Start, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    shown = worker(IDLE, *MEMORY, "--max-tasks", "1", *words)
    assert shown.ended() == 0, shown.text
    assert shown.shows("^the screen is not loaded$")
    assert shown.shows("worker_offline")
    assert b"\x1b" not in shown.raw


def test_a_log_gets_no_screen_and_pays_for_none(clean: Path) -> None:
    Path("shop.py").write_text(IDLE)
    command = [sys.executable, "-m", "asynctasq", "worker", "--app", "shop", *MEMORY]
    ended = subprocess.run([*command, "--max-tasks", "1"], capture_output=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (0, b"the screen is not loaded\n")
    assert b"worker_offline" in ended.stderr
    assert b"\x1b" not in ended.stderr


def test_a_screen_that_nobody_could_see_is_refused(clean: Path) -> None:
    Path("shop.py").write_text(IDLE)
    command = [sys.executable, "-m", "asynctasq", "worker", "--app", "shop", *MEMORY]
    ended = subprocess.run([*command, "--screen"], capture_output=True, timeout=20, text=True)
    assert ended.returncode == 2
    assert "--screen: standard error is no terminal" in ended.stderr


def test_output_that_goes_elsewhere_goes_there_still(worker: Start, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        shown = worker(IDLE, *MEMORY, "--max-tasks", "1", stdout=output.fileno())
        assert shown.ended() == 0, shown.text
    assert (tmp_path / "output").read_text() == "the screen is loaded\n"
    assert not shown.shows("the screen is")
    assert shown.shows("ended after ")


LOUD = """
import os, sys, threading
from asynctasq.cli.screen._live import shown

class Picture:
    def lines(self, width, height):
        {body}
    def summary(self, width):
        return []

with shown(Picture()):
    for number in range(20_000):
        sys.stdout.write(f"line {{number}}\\n")
    os.write(2, b"without an end")
print("and after")
"""


@pytest.mark.parametrize("body", ["return []", "1 / 0"], ids=["well", "failing"])
def test_no_line_is_lost_even_by_a_screen_that_fails(terminal: Any, body: str) -> None:
    shown = terminal(sys.executable, "-c", LOUD.format(body=body))
    assert shown.ended() == 0, shown.text
    numbers = [int(number) for number in re.findall(rb"line (\d+)\r\n", shown.raw)]
    assert numbers == list(range(20_000))
    assert shown.shows("^without an end")
    assert shown.text.rstrip().endswith("and after")
    assert shown.cursor_is_visible
    assert (b"the screen ends, the work goes on" in shown.raw) == (body == "1 / 0")


@pytest.mark.concurrent
@pytest.mark.parametrize("body", ["return []", "1 / 0"], ids=["well", "failing"])
def test_a_slow_terminal_is_waited_for_while_it_takes_anything(terminal: Any, body: str) -> None:
    shown = terminal(sys.executable, "-c", LOUD.format(body=body))
    shown.draws, shown.pause = False, 0.05
    assert shown.ended() == 0
    numbers = [int(number) for number in re.findall(rb"line (\d+)\r\n", shown.raw)]
    assert numbers == list(range(20_000))
    assert shown.raw.rstrip().endswith(b"and after")


@pytest.mark.concurrent
def test_a_terminal_that_takes_nothing_keeps_nobody_from_ending(terminal: Any) -> None:
    program = LOUD.format(body="return []").replace('print("and after")', "os._exit(7)")
    assert terminal(sys.executable, "-c", program).process.wait(20) == 7


@pytest.mark.concurrent
def test_a_terminal_that_would_block_keeps_no_writer_waiting(terminal: Any) -> None:
    program = LOUD.format(body="return []").replace('print("and after")', "os._exit(7)")
    program = program.replace(
        "line {number}", "line {number}" + 100 * "y"
    )  # more than a pipe holds
    program = program.replace("class Picture", "os.set_blocking(2, False)\nclass Picture")
    assert terminal(sys.executable, "-c", program).process.wait(20) == 7


COLOURS = r"""
import logging, sys, asynctasq.cli._log
from asynctasq.cli.screen._live import shown

class Picture:
    def lines(self, width, height):
        return []
    summary = lambda self, width: []

asynctasq.cli._log.set_up("%(message)s")
with shown(Picture()):
    logging.warning("\x1b[31mnot red\nsecond line")
    asynctasq.cli._log.written()
    print("\x1b[31mred\x1b[2J\x1b]8;;http://x\x07link [blue]:smile:")
    print("plain again")
"""


def test_colours_that_a_program_prints_are_kept_and_nothing_else_of_it(terminal: Any) -> None:
    shown = terminal(sys.executable, "-c", COLOURS)
    assert shown.ended() == 0
    assert shown.shows(r"^\\x1b\[31mnot red$")
    assert shown.shows("^    second line$")
    assert shown.shows(r"^red\\x1b\[2J\\x1b\]8;;http://x\\x07link \[blue\]:smile:$")
    colours = {
        line.strip(): shown.screen.buffer[number][0].fg
        for number, line in enumerate(shown.screen.display)
    }
    assert colours["plain again"] == "default"
    assert colours[r"\x1b[31mnot red"] == "default"
    assert colours[r"red\x1b[2J\x1b]8;;http://x\x07link [blue]:smile:"] == "red"
