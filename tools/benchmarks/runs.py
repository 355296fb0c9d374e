"""Repeats, with floor and system in turn; medians; and what failed, without stopping the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

from tools.backends import Failed as ServerFailed
from tools.benchmarks import floors, machine
from tools.benchmarks.asked import may_be_told
from tools.benchmarks.children import Broken
from tools.benchmarks.measurements.measurement import Measurement, Sample, Spec, floor_title
from tools.benchmarks.results import DriverReport, Row, Run, Wanted
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Subject, subject

Tell = Callable[[str], None]
"""Called with what is done next."""


def measure(
    driver: str,
    given: Mapping[str, str],
    file: Path | None,
    measurements: Sequence[Measurement],
    sizes: Sizes,
    repeat: int,
    tell: Tell,
) -> DriverReport:
    """Everything of one driver."""
    try:
        with subject(driver, given, file) as measured:
            found = _Found(measured, sizes)
            for number in range(repeat):
                for each in measurements:
                    tell(f"{driver}, run {number + 1} of {repeat}: {each.name}")
                    found.add(each)
            rows = found.rows(measurements)
            stored = measured.results_stored
    except (ServerFailed, floors.Unusable) as error:
        rows = [empty(spec, "failed", str(error)) for each in measurements for spec in each.rows]
        stored = False
    return DriverReport(
        driver=driver,
        version=machine.version_of(driver),
        options=may_be_told(given),
        results_stored=stored,
        rows=tuple(rows),
    )


class _Found:
    """Samples of one driver, by the name of the row."""

    def __init__(self, measured: Subject, sizes: Sizes) -> None:
        self._subject = measured
        self._sizes = sizes
        self._samples: dict[str, list[Sample]] = {}
        self._failures: dict[str, str] = {}
        self._wanted = floors.wanted(measured.floor, measured.given)

    def add(self, measurement: Measurement) -> None:
        """Measure once more, unless it has failed before."""
        if measurement.name in self._failures:
            return
        try:
            samples = measurement.measure(self._subject, self._sizes)
        except Broken as error:
            self._failures[measurement.name] = str(error)
        except Exception as error:  # a mistake in one of them hides no other
            self._failures[measurement.name] = f"{type(error).__name__}: {error}"
        else:
            for name, sample in samples.items():
                self._samples.setdefault(name, []).append(sample)

    def rows(self, measurements: Iterable[Measurement]) -> list[Row]:
        """One for each that was asked for."""
        return [self._row(each, spec) for each in measurements for spec in each.rows]

    def _row(self, measurement: Measurement, spec: Spec) -> Row:
        samples = self._samples.get(spec.name, [])
        if failure := self._failures.get(measurement.name):
            return empty(spec, "failed", failure)
        if samples[0].value is None:
            return empty(spec, "not applicable", samples[0].note)
        floor = spec.floor or floor_title(self._subject, measurement.floor)
        return _measured(spec, samples, self._wanted.get(spec.name), floor)


def _measured(spec: Spec, samples: Sequence[Sample], wanted: Wanted | None, floor_is: str) -> Row:
    runs = tuple(Run(s.value, s.floor) for s in samples if s.value is not None)
    value = median(run.value for run in runs)
    floor = _median([run.floor for run in runs if run.floor])
    ratio = _median([run.value / run.floor for run in runs if run.floor])
    return Row(
        name=spec.name,
        title=spec.title,
        unit=spec.unit,
        state="measured",
        value=value,
        floor=floor,
        floor_is=floor_is if floor is not None else "",
        ratio=ratio,
        wanted=wanted,
        holds=wanted.holds(value, floor, ratio) if wanted else None,
        note=samples[-1].note,
        runs=runs,
    )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def empty(spec: Spec, state: Literal["failed", "not applicable"], note: str) -> Row:
    """A row without figures."""
    return Row(name=spec.name, title=spec.title, unit=spec.unit, state=state, note=note)
