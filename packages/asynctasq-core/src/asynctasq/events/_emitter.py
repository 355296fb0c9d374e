"""The contract of an event emitter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from asynctasq.events._types import Event


class EventEmitter(Protocol):
    """Something that events are told to: a log, a channel, a metrics library.

    Emitters are called on an event loop of their own, one batch at a time: one that is slow or
    raises delays and loses events, never tasks.
    """

    async def emit(self, events: Sequence[Event]) -> None:
        """Tell a batch, in the order in which it happened."""
        ...

    async def close(self) -> None:
        """Flush and let go of everything. Idempotent."""
        ...


@runtime_checkable
class Selective(Protocol):
    """Optional for an emitter: to say which kinds of event it has a use for."""

    def wants(self, kind: type[Event]) -> bool:
        """Whether events of this kind should be made and told; asked before each."""
        ...
