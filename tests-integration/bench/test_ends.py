"""However it ends, it leaves nothing behind that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import BENCH

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


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
    ) as process:
        try:
            yield process, _children(process.pid, 2)
        finally:
            process.kill()


def _children(pid: int, count: int) -> list[int]:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if len(found) == count:
            return [*map(int, found)]
        time.sleep(0.02)
    raise AssertionError(f"it has not {count} children")


def _wait_gone(pids: list[int]) -> None:
    limit = time.monotonic() + 30
    while left := [pid for pid in pids if _is_alive(pid)]:
        assert time.monotonic() < limit, left
        time.sleep(0.02)


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
