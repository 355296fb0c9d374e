"""The contract of an event subscriber, and what subscribers and emitters are made with.

A distribution provides them by entry points, under the name of its driver: what makes an emitter
in the group ``asynctasq.emitters``, what makes a subscriber in ``asynctasq.subscribers``. Both are
called with the options of that driver (None where it declares none) and an `EventsContext`; being
made connects nowhere. An emitter is switched on by an option ``enable_event_emitter_<name>``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from asynctasq._secret import Secret
from asynctasq.events._types import Event


class EventsContext(Struct, frozen=True, kw_only=True):
    """What the core tells emitters and subscribers beside the options of their driver."""

    channel: str
    """Where events are told, and followed: those of another channel are others'."""
    url: Secret | None = None
    """The server that events are told on, where it is not the driver's own."""


class EventSubscriber(Protocol):
    """Follows events as they are told, by any process. Used on one event loop.

    Live only: what was told before `open` returned, or while the connection was away, is not seen.
    """

    async def open(self) -> None:
        """Begin to follow: what is told from when this returns on is seen.

        Raises `DriverUnavailable`, `BackendRefused`.
        """
        ...

    def __aiter__(self) -> AsyncIterator[Event]:
        """Events in the order in which each process told them; waits for the next. What comes by
        and is no batch of events (`decode_events` raises ValueError) is passed over.

        Raises `DriverUnavailable` when the connection is lost: who goes on makes another one.
        """
        ...

    async def close(self) -> None:
        """Let go of everything. Idempotent; never raises."""
        ...
