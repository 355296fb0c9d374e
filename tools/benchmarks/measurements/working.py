"""Workers in processes of their own, on tasks that wait already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from tools.benchmarks.children import ask, begin, child, finish
from tools.benchmarks.orders import Done, Fill, TaskName, Work, Worked
from tools.benchmarks.subjects import Place, Subject


def preloaded(
    subject: Subject, task: TaskName, count: int, *, concurrency: int, workers: int = 1
) -> list[Worked]:
    """What workers do with so many tasks, in a fresh place."""
    with subject.place() as place:
        fill = Fill(task=task, queue=place.queue, count=count)
        if subject.is_local:
            work = Work(queue=place.queue, concurrency=concurrency, fill=fill)
        else:
            ask(fill, place.options, place.folder, Done)
            work = Work(queue=place.queue, concurrency=concurrency)
        return run(place, work, count, workers=workers)


def run(
    place: Place,
    work: Work,
    total: int,
    *,
    workers: int = 1,
    options: Mapping[str, str] | None = None,
) -> list[Worked]:
    """So many tasks in all. ``options``: other ones than those of the place."""
    with ExitStack() as running:
        crew = [
            running.enter_context(child(work, options or place.options, place.folder))
            for _ in range(workers)
        ]
        begin(crew)
        return finish(crew, total)


def seconds(worked: Sequence[Worked]) -> float:
    """From the first worker's coming online to the last acknowledgement."""
    return max(each.last for each in worked) - min(each.online for each in worked)


def rate(worked: Sequence[Worked]) -> float:
    """Tasks a second."""
    return sum(each.completed for each in worked) / seconds(worked)
