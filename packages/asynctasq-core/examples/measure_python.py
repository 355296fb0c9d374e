"""Measure the source of the Python that runs this: a task for each file, and one that sums up.

    python measure_python.py [FOLDER]

Everything happens in this one process, over the `memory` driver: no server, no file.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

import asynctasq
from asynctasq import task
from asynctasq.worker import Worker

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Measured:
    """What one file holds."""

    path: str
    lines: int
    functions: int = 0
    longest: int = 0
    """Lines of its longest function."""
    longest_name: str = ""
    parsed: bool = True


@dataclass
class Summary:
    """What all of them hold."""

    files: int
    unparsed: int
    lines: int
    functions: int
    longest: int
    longest_name: str
    longest_path: str


@task(queue="measure")
def measure(path: str) -> Measured:
    """Read and parse one file. A plain function: it runs in a thread of the worker."""
    source = Path(path).read_bytes()
    measured = Measured(path, lines=len(source.splitlines()))
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # Python's own tests hold wrong files
        measured.parsed = False
        return measured
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            measured.functions += 1
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > measured.longest:
                measured.longest, measured.longest_name = length, node.name
    return measured


@task(queue="sum")
async def sum_up(files: list[Measured]) -> Summary:
    """Add up what was measured."""
    longest = max(files, key=lambda file: file.longest)
    return Summary(
        files=len({file.path for file in files}),
        unparsed=sum(not file.parsed for file in files),
        lines=sum(file.lines for file in files),
        functions=sum(file.functions for file in files),
        longest=longest.longest,
        longest_name=longest.longest_name,
        longest_path=longest.path,
    )


def source_files(folder: Path) -> list[Path]:
    """Every source file below a folder, but for what was installed into it since."""
    added = {"site-packages", "dist-packages"}
    return sorted(path for path in folder.rglob("*.py") if not added & set(path.parts))


async def main(folder: Path, console: Console) -> None:
    """Dispatch a task for each file, run them, and show what they found."""
    files = source_files(folder)
    if not files:
        raise SystemExit(f"no source files below {folder}")
    console.print(f"{len(files):,} source files below {folder}", highlight=False)
    started = time.perf_counter()
    async with Worker(["measure", "sum"], concurrency=4) as worker:
        handles = await asynctasq.dispatch_many([measure(str(path)) for path in files])
        measured = []
        with progress(console) as bar:
            for handle in bar.track(handles, description="measured"):
                measured.append(await handle.result())
        summary = await (await sum_up(measured).dispatch()).result()
    seconds = time.perf_counter() - started
    console.print(table(summary, folder, seconds, worker.completed))
    if not summary.files == len(files) == worker.completed - 1:
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


def table(summary: Summary, folder: Path, seconds: float, completed: int) -> Table:
    """What was found, in a table."""
    table = Table(title="The source of this Python", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right", overflow="fold")
    for name, value in (
        ("files, each counted once", f"{summary.files:,}"),
        ("of these, wrong on purpose", f"{summary.unparsed:,}"),
        ("lines", f"{summary.lines:,}"),
        ("functions", f"{summary.functions:,}"),
        ("longest function", f"{summary.longest:,} lines"),
        ("which is", summary.longest_name),
        ("in", str(Path(summary.longest_path).relative_to(folder))),
        ("time", f"{seconds:.1f} s"),
        ("tasks", f"{completed:,}"),
        ("tasks a second", f"{completed / seconds:,.0f}"),
    ):
        table.add_row(name, value)
    return table


if __name__ == "__main__":
    warnings.simplefilter("ignore", SyntaxWarning)
    asynctasq.init({"driver": "memory"})
    chosen = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib"))
    asynctasq.run(main(chosen, Console()))
