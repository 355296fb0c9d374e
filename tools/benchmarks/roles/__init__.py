"""What child processes do, one module for each kind of order."""

from __future__ import annotations

from tools.benchmarks.orders import (
    Answer,
    Count,
    Fill,
    Order,
    Pulse,
    Purge,
    Ready,
    Relay,
    Step,
    Store,
    Work,
)
from tools.benchmarks.parent import Parent
from tools.benchmarks.roles import counting, dispatching, stepping, working


async def carry_out(order: Order, parent: Parent) -> Answer:
    """Do what is asked for."""
    match order:
        case Step():
            return await stepping.step(order)
        case Store():
            return await dispatching.store(order)
        case Fill():
            return await dispatching.fill(order)
        case Pulse():
            parent.tell(Ready())
            await parent.word()
            return await dispatching.pulse(order)
        case Purge():
            return await dispatching.purge(order)
        case Work():
            return await working.work(order, parent)
        case Count():
            return await counting.count(order)
        case Relay():
            raise TypeError("a relay has a loop of its own: see child.py")
