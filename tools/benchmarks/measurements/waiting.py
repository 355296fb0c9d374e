"""What a task costs while few, many and very many others wait: it should be the same."""

from __future__ import annotations

from statistics import median

from tools.benchmarks.measurements import working
from tools.benchmarks.measurements.measurement import Measurement, Sample, Samples, Spec
from tools.benchmarks.orders import Fill, Work
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Subject

_CONCURRENCY = 100
_ROUNDS = 3
"""In each run, as so few tasks take no time to speak of."""
_COSTLY = 100_000
"""Tasks that are not filled in again for each round, where they are gone with their process."""
_NAMES = ("waiting-1k", "waiting-20k", "waiting-1m")


def _waiting(subject: Subject, sizes: Sizes) -> Samples:
    cost = _here if subject.is_local else _in_a_kept_place
    depths = dict(zip(_NAMES, sizes.waiting, strict=True))
    costs: dict[str, list[float]] = {name: [] for name in _NAMES}
    for number in range(_ROUNDS):
        for name, waiting in depths.items():
            if number == 0 or not (subject.is_local and waiting > _COSTLY):
                costs[name].append(cost(subject, sizes, name, waiting) * 1e6)
    least = median(costs[_NAMES[0]])
    return {
        name: Sample(
            median(costs[name]),
            None if name == _NAMES[0] else least,
            f"{sizes.head:,} from the head of {waiting:,} more",
        )
        for name, waiting in depths.items()
    }


def _in_a_kept_place(subject: Subject, sizes: Sizes, name: str, waiting: int) -> float:
    """Filled once, and then as often as something was taken from it."""
    place = subject.kept(name)
    place.fill(waiting + sizes.head - place.waiting)
    work = Work(queue=place.queue, concurrency=_CONCURRENCY, most=sizes.head)
    worked = working.run(place, work, sizes.head)
    place.waiting -= sizes.head
    return 1 / working.rate(worked)


def _here(subject: Subject, sizes: Sizes, name: str, waiting: int) -> float:
    with subject.place() as place:
        fill = Fill(task="noop", queue=place.queue, count=waiting + sizes.head)
        work = Work(queue=place.queue, concurrency=_CONCURRENCY, most=sizes.head, fill=fill)
        return 1 / working.rate(working.run(place, work, sizes.head))


_ROWS = (
    Spec(_NAMES[0], "cost of a task while few wait", "µs"),
    Spec(_NAMES[1], "cost of a task while many wait", "µs", "while few wait"),
    Spec(_NAMES[2], "cost of a task while very many wait", "µs", "while few wait"),
)
MEASUREMENTS = (Measurement("waiting", _ROWS, _waiting),)
