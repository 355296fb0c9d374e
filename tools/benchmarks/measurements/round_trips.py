"""How much of its throughput a worker keeps when each round trip to its server takes longer."""

from __future__ import annotations

from urllib.parse import urlsplit

from tools.benchmarks.children import child
from tools.benchmarks.measurements import working
from tools.benchmarks.measurements.measurement import (
    Measurement,
    Sample,
    Samples,
    Spec,
    not_applicable,
)
from tools.benchmarks.orders import Ready, Relay, Work
from tools.benchmarks.sizes import Sizes
from tools.benchmarks.subjects import Subject

ADDED = 0.001
"""Seconds added to each round trip."""
_CONCURRENCY = 100


def _round_trips(subject: Subject, sizes: Sizes) -> Samples:
    if subject.server is None:
        has_none = subject.floor is not None
        why = "no round trips" if has_none else "no floor file tells how its server is addressed"
        return {"round-trip": not_applicable(why)}
    near, far = (_through(subject, subject.server, sizes, added) for added in (0.0, ADDED))
    note = f"{ADDED * 1000:g} ms added to each round trip, concurrency {_CONCURRENCY}"
    return {"round-trip": Sample(far, near, note)}


def _through(subject: Subject, server: str, sizes: Sizes, added: float) -> float:
    """Tasks a second where only the worker is that far away."""
    parts = urlsplit(server)
    relay = Relay(host=parts.hostname or "", port=parts.port or 0, added=added)
    with subject.place() as place:
        place.fill(sizes.tasks)
        with child(relay, {}, place.folder) as proxy:
            port = proxy.answer(Ready).port
            login, at, _ = parts.netloc.rpartition("@")
            url = parts._replace(netloc=f"{login}{at}127.0.0.1:{port}").geturl()
            options = {**place.options, **subject.options(place.folder, url)}
            work = Work(queue=place.queue, concurrency=_CONCURRENCY)
            return working.rate(working.run(place, work, sizes.tasks, options=options))


_ROWS = (Spec("round-trip", "no-op tasks, farther from the server", "tasks/s", "no time added"),)
MEASUREMENTS = (Measurement("round-trip", _ROWS, _round_trips),)
