"""Where the events of this process are told: one bus for all of its loops.

A bus lasts as long as the settings that it was made for, and as any worker that holds it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from asynctasq.config import Settings, current, make_emitters
from asynctasq.events import EventBus, EventEmitter

_buses: dict[Settings, EventBus] = {}
"""The bus of the settings in force: one for all loops, as an emitter is used from one only."""
_held: list[EventBus] = []
"""Those that workers tell their events to, once for each: they are retired when the last ends."""
_ended: set[EventBus] = set()
"""Those of them that the program has closed: they are retired too when the last worker ends."""
_buses_lock = threading.Lock()


def event_bus(settings: Settings) -> EventBus:
    """Where events are told under these settings; that of earlier settings is retired.

    Raises `PluginError` for an emitter that options switch on and that cannot be made.
    """
    return _ready(settings, holding=False)


def hold_bus(settings: Settings) -> EventBus:
    """`event_bus`, kept open until `release_bus`, whatever is closed or configured meanwhile."""
    return _ready(settings, holding=True)


def _ready(settings: Settings, *, holding: bool) -> EventBus:
    with _buses_lock:
        if (known := _buses.get(settings)) is not None:
            return _used(known, holding)
    # Not under the lock: this imports modules of plugins, whose own import may wait for it.
    emitters = (*settings.emitters, *make_emitters(settings.config))
    in_force = settings is current()
    with _buses_lock:
        apart = holding and not in_force
        return _used(EventBus(emitters) if apart else _bus(settings, emitters), holding)


def _used(bus: EventBus, holding: bool) -> EventBus:
    if holding:
        _held.append(bus)
    return bus


def release_bus(bus: EventBus) -> None:
    """Retire a bus that was held, unless its settings still hold or somebody else holds it."""
    with _buses_lock:
        if bus in _held:
            _held.remove(bus)
        if bus in _held:
            return
        if bus in _ended:
            _ended.remove(bus)
            for settings in [known for known, its in _buses.items() if its is bus]:
                del _buses[settings]
        if bus not in _buses.values():
            bus.retire()


def _bus(settings: Settings, emitters: Sequence[EventEmitter]) -> EventBus:
    for outdated in [known for known in _buses if known is not settings]:
        bus = _buses.pop(outdated)
        if bus not in _held:
            bus.retire()
    if settings not in _buses:
        _buses[settings] = EventBus(emitters)
    return _buses[settings]


def _forget_buses() -> None:
    """In a forked child: its events go to a bus of its own, made at the first of them."""
    global _buses_lock
    _buses_lock = threading.Lock()
    for bus in (*_buses.values(), *_held):
        bus.abandon()
    _buses.clear()
    _held.clear()
    _ended.clear()


os.register_at_fork(after_in_child=_forget_buses)


async def close_events() -> None:
    """Tell what waits to be told, and close the emitters."""
    with _buses_lock:
        buses = [bus for bus in _buses.values() if bus not in _held]
        _ended.update(bus for bus in _buses.values() if bus in _held)
        # One that a worker holds serves the program too, should it go on: one thread an emitter.
        for settings in [known for known, bus in _buses.items() if bus in buses]:
            del _buses[settings]
    for bus in buses:
        await bus.close()
