"""Measure the source of the Python that runs this, while one of two workers is killed.

    python measure_python.py [FOLDER] [--kill-at SHARE]

Every file is read by one task, on a worker's event loop, and parsed by another, in a child process
of a worker. The queue is an SQLite file. When SHARE of the tasks are done (0.5, half of them) one
of the two workers is killed with SIGKILL; the other takes over, and every file is counted once.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

import asynctasq
from asynctasq import TaskHandle, task
from asynctasq.config import Config, make_driver
from asynctasq.driver import TaskStore

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LEASE = 2.0
"""Seconds until the tasks of the killed worker are handed out again."""


@dataclass
class Read:
    """How long one file is."""

    path: str
    lines: int


@dataclass
class Parsed:
    """What one file holds."""

    path: str
    functions: int = 0
    longest: int = 0
    """Lines of its longest function."""
    longest_name: str = ""
    is_valid: bool = True


@task(queue="read", visibility_timeout=LEASE)
async def read(path: str) -> Read:
    """Read a file, without blocking the event loop."""
    source = await asyncio.to_thread(Path(path).read_bytes)
    return Read(path, len(source.splitlines()))


@task(queue="parse", visibility_timeout=LEASE, process=True)
def parse(path: str) -> Parsed:
    """Parse a file. This keeps a CPU busy, so it runs in a child process."""
    warnings.simplefilter("ignore", SyntaxWarning)
    parsed = Parsed(path)
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError, RecursionError):  # Python's own tests hold wrong files
        parsed.is_valid = False
        return parsed
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            parsed.functions += 1
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > parsed.longest:
                parsed.longest, parsed.longest_name = length, node.name
    return parsed


def source_files(folder: Path) -> list[str]:
    """Every source file below a folder, but for what was installed into it since."""
    added = {"site-packages", "dist-packages"}
    found = (path for path in folder.rglob("*.py") if not added & set(path.parts))
    return sorted(str(path) for path in found)


def start_worker(log: Path) -> subprocess.Popen[bytes]:
    """A worker in a process of its own; it imports this file."""
    command = [sys.executable, "-m", "asynctasq", "worker", "--app", Path(__file__).stem]
    options = ["--queues", "read,parse", "--concurrency", "4"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, *options], cwd=Path(__file__).parent, stdout=output, stderr=output
        )


@contextlib.contextmanager
def two_workers(log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers, stopped when the work is done."""
    workers = [start_worker(log), start_worker(log)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


async def handed_out_twice() -> int:
    """How many tasks more than one worker had, as the queue has counted."""
    driver = make_driver("sqlite", Config.get())
    await driver.open()
    try:
        assert isinstance(driver, TaskStore)
        count, cursor = 0, None
        while True:
            page = await driver.list("completed", None, 1000, cursor)
            count += sum(kept.deliveries > 1 for kept in page.tasks)
            if (cursor := page.cursor) is None:
                return count
    finally:
        await driver.close()


async def results(
    handles: Sequence[TaskHandle[Read] | TaskHandle[Parsed]],
    kill_at: float,
    worker: subprocess.Popen[bytes],
    console: Console,
) -> list[Read | Parsed]:
    """What all tasks return; on the way one worker is killed."""
    found: list[Read | Parsed] = []
    with progress(console) as bar:
        for handle in bar.track(handles, description="done"):
            found.append(await handle.result())
            if len(found) == max(1, int(kill_at * len(handles))):
                worker.send_signal(signal.SIGKILL)
    return found


async def main(folder: Path, kill_at: float, place: Path, console: Console) -> None:
    """Dispatch two tasks for each file, have two workers run them, and show what they found."""
    files = source_files(folder)
    if not files:
        raise SystemExit(f"no source files below {folder}")
    console.print(f"{len(files):,} source files below {folder}", highlight=False)
    started = time.perf_counter()
    calls = [call for path in files for call in (read(path), parse(path))]
    handles = await asynctasq.dispatch_many(calls)
    with two_workers(place / "workers.log") as workers:
        found = await results(handles, kill_at, workers[0], console)
        seconds = time.perf_counter() - started
    twice = await handed_out_twice()
    console.print(table(found, folder, seconds, twice))
    for kind in (Read, Parsed):
        if sorted(one.path for one in found if isinstance(one, kind)) != files:
            raise SystemExit("a file was lost, or counted twice")


def progress(console: Console) -> Progress:
    """A bar on a terminal; nothing where the output goes to a file."""
    return Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def table(found: Sequence[Read | Parsed], folder: Path, seconds: float, twice: int) -> Table:
    """What was found, in a table."""
    files = [one for one in found if isinstance(one, Read)]
    parsed = [one for one in found if isinstance(one, Parsed)]
    longest = max(parsed, key=lambda one: one.longest)
    table = Table(title="The source of this Python", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right", overflow="fold")
    for name, value in (
        ("files, each counted once", f"{len({one.path for one in files}):,}"),
        ("of these, wrong on purpose", f"{sum(not one.is_valid for one in parsed):,}"),
        ("lines", f"{sum(one.lines for one in files):,}"),
        ("functions", f"{sum(one.functions for one in parsed):,}"),
        ("longest function", f"{longest.longest:,} lines"),
        ("which is", longest.longest_name),
        ("in", str(Path(longest.path).relative_to(folder))),
        ("time", f"{seconds:.1f} s"),
        ("tasks", f"{len(found):,}"),
        ("tasks handed out twice, as a worker was killed", f"{twice:,}"),
        ("tasks a second", f"{len(found) / seconds:,.0f}"),
    ):
        table.add_row(name, value)
    return table


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    stdlib = Path(sysconfig.get_path("stdlib"))
    parser.add_argument("folder", nargs="?", type=Path, default=stdlib)
    parser.add_argument(
        "--kill-at", type=float, default=0.5, metavar="SHARE", help="share of the tasks done"
    )
    return parser.parse_args()


if __name__ == "__main__":
    asked = arguments()
    with tempfile.TemporaryDirectory() as place:
        options = {
            "driver": "sqlite",
            "sqlite_path": str(Path(place) / "queue.db"),
            "keep_completed_tasks": True,  # so that the deliveries of each can be counted
        }
        os.environ.update({f"ASYNCTASQ_{name}".upper(): str(v) for name, v in options.items()})
        asynctasq.run(main(asked.folder, asked.kill_at, Path(place), Console()))
