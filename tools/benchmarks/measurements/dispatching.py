"""How many tasks a program dispatches in a second: one by one, by 50 coroutines, in bulk."""

from __future__ import annotations

from functools import partial
from typing import Literal

from tools.benchmarks.children import ask
from tools.benchmarks.measurements.measurement import (
    NO_FLOOR,
    Measurement,
    Sample,
    Samples,
    Spec,
    floor_rate,
)
from tools.benchmarks.orders import Paced, Store
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Subject


def _dispatch(
    subject: Subject, sizes: Sizes, *, name: str, way: Literal["one", "fifty", "many"]
) -> Samples:
    floor = floor_rate(subject, sizes, name)
    with subject.place() as place:
        store = Store(way=way, queue=place.queue, count=sizes.tasks, seconds=sizes.seconds)
        rate = ask(store, place.options, place.folder, Paced).rate
    return {name: Sample(rate, floor, "" if floor else NO_FLOOR)}


def _measurement(name: str, title: str, way: Literal["one", "fifty", "many"]) -> Measurement:
    rows = (Spec(name, title, "tasks/s"),)
    return Measurement(name, rows, partial(_dispatch, name=name, way=way), floor=name)


MEASUREMENTS = (
    _measurement("dispatch-one", "dispatch one by one", "one"),
    _measurement("dispatch-50", "dispatch by 50 coroutines", "fifty"),
    _measurement("dispatch-many", "dispatch_many by 1,000", "many"),
)
