"""Workers as processes of their own over one SQLite file, and a look at what they did."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from asynctasq.driver import Context, StoredTask, TaskState
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions

SITE = Path(__file__).parent / "site"
STATES: tuple[TaskState, ...] = ("scheduled", "pending", "running", "completed", "dead")
OPTIONS = {
    "driver": "sqlite",
    "keep_completed_tasks": "true",
    "default_visibility_timeout": "1",
    "default_retry_strategy": "fixed",
    "default_retry_delay": "0",
    "process_pool_size": "2",
}


def until(reached: Callable[[], object], seconds: float = 20.0, what: str = "") -> None:
    """Wait until something holds that happens in other processes."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or reached}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and only not yet reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _state(pid).startswith("Z")


def _state(pid: int) -> str:
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].strip()
        except OSError:  # it has just gone
            return "Z"
    asked = ["ps", "-o", "stat=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout or "Z"


class Stage:
    """One file with tasks, the workers on it, and the journal that tasks write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "queue.db"
        self.journal = folder / "journal"
        self.journal.touch()
        path = os.pathsep.join(filter(None, (str(SITE), os.environ.get("PYTHONPATH"))))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ASYNCTASQ_")}
        self.variables = {**clean, "PYTHONPATH": path, "JOURNAL": str(self.journal)}
        self.set(sqlite_path=self.file, **OPTIONS)
        self.started: list[subprocess.Popen[bytes]] = []

    def set(self, **options: object) -> None:
        """Options of the library, for processes started from now on."""
        self.variables |= {f"ASYNCTASQ_{k.upper()}": str(v) for k, v in options.items()}

    def dispatch(self, *calls: str) -> list[UUID]:
        """Dispatch tasks, given as source; returns their ids, in this order."""
        program = (
            f"import asynctasq, {', '.join({call.partition('.')[0] for call in calls})}\n"
            "async def main():\n"
            f"    for handle in await asynctasq.dispatch_many([{', '.join(calls)}]):\n"
            "        print(handle)\n"
            "asynctasq.run(main())"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return [UUID(line) for line in ran.stdout.split()]

    def worker(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start `asynctasq worker`; what it says goes to `log`."""
        with self.log_of(len(self.started)).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "asynctasq", "worker", "--app", "deeds", *words],
                cwd=self.folder,
                env={**self.variables, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def log_of(self, number: int) -> Path:
        return self.folder / f"log{number}"

    def log(self, number: int | None = None) -> str:
        """What one of the workers said, or all of them."""
        numbers = range(len(self.started)) if number is None else (number,)
        return "".join(self.log_of(each).read_text(encoding="utf-8") for each in numbers)

    def tasks(self) -> dict[UUID, StoredTask]:
        """All that the file holds; to be asked while no worker moves anything."""
        found = asyncio.run(_look(self.file, STATES))
        tasks = {each.ref.id: each for each in found}
        assert len(tasks) == len(found), "a task is in two states"
        return tasks

    def ended(self) -> list[StoredTask]:
        """What is completed or dead, and will not move any more."""
        return asyncio.run(_look(self.file, ("completed", "dead")))

    def until_ended(self, count: int, seconds: float = 20.0) -> dict[UUID, StoredTask]:
        """Wait until so many tasks have ended, which are all; returns them."""
        until(lambda: len(self.ended()) >= count, seconds, f"{count} tasks end")
        return self.tasks()

    def lines(self) -> list[list[str]]:
        """The journal: of each run the task's id, the process, and what it said."""
        return [line.split() for line in self.journal.read_text(encoding="utf-8").splitlines()]

    def runs(self) -> Counter[UUID]:
        """How often each task has run."""
        return Counter(UUID(line[0]) for line in self.lines() if line[0] != "imported")

    def processes(self) -> set[int]:
        """All that have loaded the tasks: workers, and children of workers."""
        return {int(line[1]) for line in self.lines() if line[0] == "imported"}

    def end(self) -> None:
        for process in self.started:
            process.kill()
        for process in self.started:
            process.wait()


async def _look(file: Path, states: Sequence[TaskState]) -> list[StoredTask]:
    driver = SqliteDriver(SqliteOptions(sqlite_path=str(file)), Context())
    await driver.open()
    try:
        pages = [await driver.list(state, None, 10_000) for state in states]
    finally:
        await driver.close()
    return [each for page in pages for each in page.tasks]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty file, and an end for whatever is started on it."""
    made = Stage(tmp_path)
    yield made
    made.end()
