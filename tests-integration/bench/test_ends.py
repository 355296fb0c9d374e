"""However it ends, it leaves nothing behind that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import BENCH

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


def _hear_interrupts() -> None:
    """As a terminal's processes do; what a shell script starts in the background does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def _measuring(folder: Path) -> Generator[tuple[subprocess.Popen[str], list[int]]]:
    """A run that has a worker waiting for tasks; with the numbers of its children."""
    words = ("--driver", "sqlite", "--only", "latency")
    with subprocess.Popen(
        [sys.executable, str(BENCH), *words],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    ) as process:
        try:
            children = _children(process.pid, 2)
            _wait_until(lambda: [*folder.rglob("queue.db-wal")])  # the worker has its file open
            yield process, children
        finally:
            process.kill()


def _children(pid: int, count: int) -> list[int]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    _wait_until(lambda: len(file.read_text().split()) == count)
    return [*map(int, file.read_text().split())]


def _wait_until(reached: Callable[[], object]) -> None:
    limit = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.02)


def _wait_gone(pids: list[int]) -> None:
    _wait_until(lambda: not any(map(_is_alive, pids)))


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_run_that_is_stopped_ends_its_children_and_removes_its_folder(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with _measuring(tmp_path) as (process, children):
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == code
        _wait_gone(children)
        assert list(tmp_path.iterdir()) == []


def test_the_children_of_a_run_that_is_killed_end_by_themselves(tmp_path: Path) -> None:
    with _measuring(tmp_path) as (process, children):
        process.kill()
        process.communicate(timeout=30)
        _wait_gone(children)
