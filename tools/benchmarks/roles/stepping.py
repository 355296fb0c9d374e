"""Runs a floor: what the client library does alone."""

from __future__ import annotations

from pathlib import Path

from tools.benchmarks import floors
from tools.benchmarks.orders import Paced, Step
from tools.benchmarks.roles.options import given
from tools.benchmarks.roles.pacing import pace


async def step(order: Step) -> Paced:
    """At its own speed."""
    floor = floors.load(Path(order.file))
    return await pace(floor.FLOORS[order.name](given(), order.count), order.seconds)
