"""How long after its dispatch a task starts, on a worker that has nothing else to do."""

from __future__ import annotations

from statistics import quantiles

from tools.benchmarks.children import begin, child, finish
from tools.benchmarks.measurements.measurement import Measurement, Sample, Samples, Spec
from tools.benchmarks.orders import Done, Pulse, Ready, Work
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Place, Subject

_FIRST = 5
"""Not counted: after a while with no work a worker may look less often, until there is some."""
_PERCENTILES = (50, 90, 99)


def _latency(subject: Subject, sizes: Sizes) -> Samples:
    with subject.place() as place:
        pulse = Pulse(queue=place.queue, count=sizes.pulses + _FIRST)
        late = (_here if subject.is_local else _from_elsewhere)(place, pulse)[_FIRST:]
    cuts = quantiles(late, n=100, method="inclusive")
    note = f"{len(late)} dispatches, {pulse.rate:g} a second"
    return {f"latency-p{p}": Sample(cuts[p - 1] * 1000, note=note) for p in _PERCENTILES}


def _from_elsewhere(place: Place, pulse: Pulse) -> tuple[float, ...]:
    """Dispatched by one process, run by another."""
    work = Work(queue=place.queue, concurrency=10)
    with (
        child(work, place.options, place.folder) as worker,
        child(pulse, place.options, place.folder) as sender,
    ):
        begin([worker])
        sender.answer(Ready)
        sender.say("go")
        sender.answer(Done)
        return finish([worker], pulse.count)[0].late


def _here(place: Place, pulse: Pulse) -> tuple[float, ...]:
    """Both in one process."""
    work = Work(queue=place.queue, concurrency=10, pulse=pulse)
    with child(work, place.options, place.folder) as worker:
        begin([worker])
        return finish([worker], pulse.count)[0].late


_ROWS = tuple(
    Spec(f"latency-p{p}", f"dispatch to start, idle worker, p{p}", "ms") for p in _PERCENTILES
)
MEASUREMENTS = (Measurement("latency", _ROWS, _latency),)
