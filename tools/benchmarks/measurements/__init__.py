"""What is measured, in the order of the report: nothing else lists it."""

from __future__ import annotations

from tools.benchmarks.measurements import (
    dispatching,
    idling,
    latency,
    round_trips,
    throughput,
    waiting,
)
from tools.benchmarks.measurements.measurement import Measurement

MEASUREMENTS: tuple[Measurement, ...] = (
    *dispatching.MEASUREMENTS,
    *throughput.MEASUREMENTS,
    *latency.MEASUREMENTS,
    *waiting.MEASUREMENTS,
    *round_trips.MEASUREMENTS,
    *idling.MEASUREMENTS,
)
