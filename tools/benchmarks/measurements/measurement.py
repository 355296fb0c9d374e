"""What a measurement is: rows of the report, and a function that finds a sample for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tools.benchmarks import floors
from tools.benchmarks.children import ask
from tools.benchmarks.orders import Paced, Step
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Subject


@dataclass(frozen=True)
class Sample:
    """One figure, once."""

    value: float | None
    """None: not applicable here, and `note` says why."""
    floor: float | None = None
    note: str = ""


Samples: TypeAlias = Mapping[str, Sample]
"""By the name of the row."""


@dataclass(frozen=True)
class Spec:
    """A row of the report."""

    name: str
    title: str
    unit: str
    floor: str = ""
    """What its floor is, where it is no floor of a floor file."""


@dataclass(frozen=True)
class Measurement:
    """Some rows that are found together."""

    name: str
    rows: tuple[Spec, ...]
    measure: Callable[[Subject, Sizes], Samples]
    floor: str = ""
    """The name of the floor in floor files."""


NO_FLOOR = "no floor known"


def floor_rate(subject: Subject, sizes: Sizes, name: str) -> float | None:
    """How many a second the client library does alone; None where no floor file tells."""
    if subject.file is None or subject.floor is None or name not in subject.floor.FLOORS:
        return None
    step = Step(file=str(subject.file), name=name, count=sizes.tasks, seconds=sizes.seconds)
    with subject.place() as place:
        return ask(step, place.options, place.folder, Paced).rate


def floor_title(subject: Subject, name: str) -> str:
    """What that is."""
    return floors.title(subject.floor, name)


def not_applicable(why: str) -> Sample:
    """A sample where there is nothing to be measured."""
    return Sample(None, note=why)
