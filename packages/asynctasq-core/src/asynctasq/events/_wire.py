"""Events as bytes: a MessagePack array (https://msgpack.org) of maps, each with its name.

An event of a kind that the reader does not know, from a newer version, is passed over; so is a
field, and an event that is damaged. Golden bytes stay in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from asynctasq.events._types import (
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEnqueued,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
    WorkerHeartbeat,
    WorkerOffline,
    WorkerOnline,
)

AnyEvent: TypeAlias = (
    TaskEnqueued
    | TaskStarted
    | TaskCompleted
    | TaskFailed
    | TaskReenqueued
    | TaskCancelled
    | WorkerOnline
    | WorkerHeartbeat
    | WorkerOffline
)
"""One of the nine."""

_encoder: Final = msgspec.msgpack.Encoder()
_batches: Final = msgspec.msgpack.Decoder(list[Raw])
_events: Final = msgspec.msgpack.Decoder(AnyEvent)


def encode_events(events: Sequence[Event]) -> bytes:
    """A batch as it travels."""
    return _encoder.encode(events)


def decode_events(data: bytes) -> tuple[AnyEvent, ...]:
    """The events of a batch that are known here. Raises ValueError for what is no batch at all."""
    return tuple(_known(_batches.decode(data)))


def _known(batch: Iterable[Raw]) -> Iterable[AnyEvent]:
    for raw in batch:
        try:
            yield _events.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue  # of another kind, of a version that changed it, or damaged
