"""``asynctasq worker --workers 2`` on a terminal: one screen for all, which no worker needs."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asynctasq.cli.supervisor._reports import Inbox, Outbox
from asynctasq.worker import QueueSnapshot, WorkerSnapshot

from .conftest import CTRL_C, Terminal
from .test_supervisor import QUICK, SHARED, WAITS

Start = Callable[..., Terminal]


@pytest.fixture
def workers(
    site: Any, terminal: Start, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Terminal]:
    """Run two workers under one supervisor, in a terminal."""
    site.driver("acme", source=SHARED)
    os.mkfifo("gate")
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site.folder), inherited]))

    def start(source: str) -> Terminal:
        Path("shop.py").write_text(source)
        words = ("worker", "--app", "shop", "--driver", "acme", "--workers", "2")
        return terminal(sys.executable, "-m", "asynctasq", *words, columns=120)

    return start


def pid_of(number: int, shown: Terminal) -> int:
    found = re.search(rf"^ +{number} +(\d+)  running", shown.text, re.MULTILINE)
    assert found, shown.text
    return int(found[1])


@pytest.mark.concurrent
def test_it_has_a_row_for_each_and_says_when_one_is_replaced(
    workers: Callable[[str], Terminal],
) -> None:
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
    workers: Callable[[str], Terminal],
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
def test_a_second_ctrl_c_ends_all_at_once_and_leaves_the_cursor(
    workers: Callable[[str], Terminal],
) -> None:
    shown = workers(WAITS)
    shown.until(r"^ +1 +\d+  running +1 .*\n +2 +\d+  running +1 ")
    shown.press(CTRL_C)
    shown.until("stopping: 2 of 2 still run")
    shown.press(CTRL_C)
    assert shown.ended() == 128 + signal.SIGINT, shown.text
    assert shown.cursor_is_visible


def snapshot(completed: int) -> WorkerSnapshot:
    """One that is larger than what a socket takes at a time."""
    queues = (QueueSnapshot(name="q" * 300_000, completed=completed),)
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
