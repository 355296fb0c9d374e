"""Finding and signalling all processes of a server, and never those of anybody else.

A server is recorded as the process that leads its session, with the time it was started: the
number alone may be given to another process. To it belong its session and all that descend from
it (PostgreSQL's children lead sessions of their own). A zombie counts as dead.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process, and what tells it from a later one with the same number."""

    pid: int
    started: int
    """Clock ticks since the machine was started."""


@dataclass(frozen=True)
class _Seen:
    process: Process
    parent: int
    session: int
    zombie: bool


def current(pid: int) -> Process | None:
    """The process that has that number now; None where there is none, or a zombie."""
    seen = _look(pid)
    return None if seen is None or seen.zombie else seen.process


def family(leader: Process, folder: Path) -> list[Process]:
    """Everything alive that belongs to the leader, even where it died before the others."""
    everyone = _everyone()
    now = everyone.get(leader.pid)
    if now and now.process != leader:
        return []  # another one has its number, so nobody is left in its session
    found = {seen.process.pid for seen in everyone.values() if seen.session == leader.pid}
    if now is None:
        found = {pid for pid in found if _stands_in(pid, folder)}
    while more := {pid for pid, s in everyone.items() if s.parent in found and pid not in found}:
        found |= more
    return [everyone[pid].process for pid in sorted(found) if not everyone[pid].zombie]


def send(processes: list[Process], number: signal.Signals) -> None:
    """Signal those of them that still live."""
    for process in processes:
        if current(process.pid) == process:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def wait_gone(processes: list[Process], seconds: float) -> list[Process]:
    """Wait for their end, at most so many seconds; returns those that live on."""
    limit = time.monotonic() + seconds
    while left := [process for process in processes if current(process.pid) == process]:
        if time.monotonic() > limit:
            break
        time.sleep(0.01)
    return left


def wait_stopped(processes: list[Process], seconds: float) -> list[Process]:
    """Wait until no thread of them runs any more, at most so many seconds; returns those of which
    one does. A signal that stops them is only on its way when `send` returns."""
    limit = time.monotonic() + seconds
    while left := [process for process in processes if _runs(process)]:
        if time.monotonic() > limit:
            break
        time.sleep(0.001)
    return left


def _runs(process: Process) -> bool:
    if current(process.pid) != process:
        return False
    with suppress(OSError):  # it ends meanwhile
        threads = (_PROC / str(process.pid) / "task").iterdir()
        return not all(_fields(thread)[0] in "TZX" for thread in threads)
    return False


def _everyone() -> dict[int, _Seen]:
    numbers = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return {pid: seen for pid in numbers if (seen := _look(pid))}


def _look(pid: int) -> _Seen | None:
    try:
        fields = _fields(_PROC / str(pid))
    except OSError:
        return None
    process = Process(pid, int(fields[19]))
    return _Seen(process, int(fields[1]), int(fields[3]), fields[0] in "ZX")


def _fields(folder: Path) -> list[str]:
    """What ``stat`` says of a process or a thread, from its state on."""
    text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    # The second field, the name in brackets, may hold spaces and brackets itself.
    return text.rpartition(")")[2].split()


def _stands_in(pid: int, folder: Path) -> bool:
    try:
        return Path(os.readlink(_PROC / str(pid) / "cwd")).is_relative_to(folder)
    except OSError:
        return False
