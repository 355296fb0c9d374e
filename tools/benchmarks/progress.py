"""Says what is done next: as a bar on a terminal, as lines where the output goes to a file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(steps: int) -> Generator[Callable[[str], None]]:
    """Of so many steps; call what it gives with each that begins. It writes to standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=steps)
        begun = False

        def tell(text: str) -> None:
            nonlocal begun
            bar.update(task, description=text, advance=int(begun))
            begun = True

        yield tell
        bar.update(task, completed=steps)
