"""How many tasks a worker runs in a second: such that do nothing, and such that wait."""

from __future__ import annotations

from functools import partial

from tools.benchmarks.measurements import working
from tools.benchmarks.measurements.measurement import (
    NO_FLOOR,
    Measurement,
    Sample,
    Samples,
    Spec,
    floor_rate,
    not_applicable,
)
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Subject
from tools.benchmarks.tasks import NAP

_PROFILED = 100
"""The concurrency at which the CPU of a task is told."""
_NAPPING = 100
_ONE_PROCESS = "its messages are in one process, which no other sees"


def _noop(subject: Subject, sizes: Sizes, *, concurrency: int) -> Samples:
    floor = floor_rate(subject, sizes, "noop")
    one = working.preloaded(subject, "noop", sizes.tasks, concurrency=concurrency)
    rate = working.rate(one)
    name = f"noop-{concurrency}"
    note = f"{sizes.tasks:,} tasks preloaded"
    found = {
        name: Sample(rate, floor, note if floor else f"{note}; {NO_FLOOR}"),
        f"{name}-two": _two(subject, sizes, concurrency, rate),
    }
    if concurrency == _PROFILED:
        cpu = sum(each.cpu for each in one) / sum(each.completed for each in one)
        found["cpu"] = Sample(cpu * 1e6, note="of the process of that worker, backend not included")
    return found


def _two(subject: Subject, sizes: Sizes, concurrency: int, one: float) -> Sample:
    if subject.is_local:
        return not_applicable(_ONE_PROCESS)
    both = working.preloaded(subject, "noop", sizes.tasks, concurrency=concurrency, workers=2)
    return Sample(working.rate(both), one)


def _naps(subject: Subject, sizes: Sizes) -> Samples:
    worked = working.preloaded(subject, "nap", sizes.naps, concurrency=_NAPPING)
    note = f"{sizes.naps:,} tasks of {NAP * 1000:g} ms, {_NAPPING} at a time"
    return {"io": Sample(working.rate(worked), _NAPPING / NAP, note)}


def _measurement(concurrency: int) -> Measurement:
    name, title = f"noop-{concurrency}", f"no-op tasks, {concurrency:,} at a time"
    rows = [
        Spec(name, title, "tasks/s"),
        Spec(f"{name}-two", f"{title}, two processes", "tasks/s", "one process"),
    ]
    if concurrency == _PROFILED:
        rows.append(Spec("cpu", "CPU of a worker per no-op task", "µs"))
    return Measurement(name, tuple(rows), partial(_noop, concurrency=concurrency), floor="noop")


MEASUREMENTS = (
    *map(_measurement, (10, 100, 1000)),
    Measurement("io", (Spec("io", "tasks that wait", "tasks/s", "the ideal"),), _naps),
)
