"""What scripts take and answer, as the structs of the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from struct import Struct as Layout
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from asynctasq.driver import Delivery, Failure, Message, Record, StoredTask, TaskRef, TaskState
from asynctasq.errors import InvalidMessage

pack: Final = msgspec.msgpack.Encoder().encode
"""What `cmsgpack.unpack` of a script takes: an id becomes its text; bytes it cannot read."""

_HEAD: Final = Layout("<dII")
"""Of a message: seconds of its lease, first attempt, bytes of its headers."""
_STORED: Final = Layout("<ddII")
"""Likewise, after the microseconds when it was enqueued."""
_RUN: Final = Layout("<IIdd")
"""Attempt, deliveries, receipt, microseconds when it became due."""

_failure: Final = msgspec.json.Decoder(Failure)
_headers: Final = msgspec.json.Decoder(dict[str, str])
_NO_HEADERS: Final[Mapping[str, str]] = {}
_LONGEST: Final = 1e11
"""Seconds, some thousand years: what stands for any time that is longer."""


class _Stored(msgspec.Struct, array_like=True):
    state: str
    keep_for: float | None
    value: bytes | None
    failure: Failure | None = None


_record: Final = msgspec.msgpack.Decoder(_Stored)


def message_row(message: Message) -> tuple[tuple[UUID, float], bytes]:
    """What `enqueue.lua` takes of a message: two of its words."""
    headers = _as_json(message) if message.headers else b""
    head = _HEAD.pack(message.visibility_timeout, message.attempt, len(headers))
    return (message.id, float(min(message.delay, _LONGEST))), head + headers + message.body


def _as_json(message: Message) -> bytes:
    try:
        return msgspec.json.encode(message.headers)
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"message {message.id}: headers that are no text: {error}") from error


def deliveries(queue: str, rows: Sequence[bytes]) -> list[Delivery]:
    """What `dequeue.lua` answers for one queue."""
    # All ids at once: to make them one by one takes as long as all the rest.
    ids = msgspec.convert([id.decode() for id in rows[::3]], list[UUID])
    return [
        _delivery(queue, id, message, run)
        for id, message, run in zip(ids, rows[1::3], rows[2::3], strict=True)
    ]


def _delivery(queue: str, id: UUID, message: bytes, run: bytes) -> Delivery:
    _, lease, _, size = _STORED.unpack_from(message)
    attempt, count, receipt, _ = _RUN.unpack(run)
    start = _STORED.size + size
    return Delivery(
        id=id,
        queue=queue,
        body=message[start:],
        attempt=attempt,
        visibility_timeout=lease,
        headers=_headers.decode(message[_STORED.size : start]) if size else _NO_HEADERS,
        deliveries=count,
        receipt=int(receipt),
        lease=lease,
    )


def stored_task(queue: str, row: Sequence[Any]) -> StoredTask:
    """A task as `_tasks.lua` tells it."""
    id, message, run, failure, state, at = row
    enqueued, lease, attempt, size = _STORED.unpack_from(message)
    count = attempt - 1
    if run:
        attempt, count, _, _ = _RUN.unpack(run)
    start = _STORED.size + size
    named = cast("TaskState", state.decode())
    ended = named in ("completed", "dead")
    return StoredTask(
        ref=TaskRef(queue, UUID(id.decode())),
        state=named,
        body=message[start:],
        attempt=attempt,
        deliveries=count,
        visibility_timeout=lease,
        headers=_headers.decode(message[_STORED.size : start]) if size else _NO_HEADERS,
        enqueued_at=enqueued / 1e6,
        due_at=None if ended else int(at) / 1e6,
        finished_at=int(at) / 1e6 if ended else None,
        failure=_failure.decode(failure) if failure else None,
    )


def failure_row(failure: Failure) -> str:
    """A failure as it is stored: JSON, for people who look."""
    return msgspec.json.encode(failure).decode()


def record_row(record: Record) -> bytes:
    """A record as it is stored."""
    value = record.value
    if isinstance(value, Failure):
        return pack((record.state, record.keep_for, None, value))
    return pack((record.state, record.keep_for, value, None))


def record(ref: TaskRef, stored: bytes) -> Record:
    """A record that was stored."""
    row = _record.decode(stored)
    value = row.value if row.failure is None else row.failure
    return Record(ref, cast("Any", row.state), cast("Any", value), row.keep_for)


def milliseconds(*seconds: float | None) -> int:
    """How long to keep something that may be kept for the shortest of these; 0: for ever."""
    known = [s for s in seconds if s is not None]
    return max(math.ceil(min((*known, _LONGEST)) * 1000), 1) if known else 0
