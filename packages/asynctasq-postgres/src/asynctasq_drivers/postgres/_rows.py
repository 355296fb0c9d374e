"""Rows of the tables as the structs of the contract, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import msgspec

from asynctasq.driver import (
    Delivery,
    Failure,
    Message,
    QueueStats,
    Record,
    StoredTask,
    TaskRef,
    TaskState,
)
from asynctasq.errors import InvalidMessage

Row: TypeAlias = Sequence[Any]

_COMPLETED: Final = (1, 2)
_DEAD: Final = (3, 4)
"""Kinds of records: with bytes, with a failure."""
LONGEST: Final = 1e11
"""Seconds, some thousand years: what stands for any time that is longer."""

_failure: Final = msgspec.json.Decoder(Failure)
_headers: Final = msgspec.json.Decoder(dict[str, str])
_NO_HEADERS: Final[Mapping[str, str]] = {}


def message_columns(messages: Sequence[Message]) -> tuple[Any, ...]:
    """What `enqueue.sql` stores of messages."""
    return (
        names_literal(m.queue for m in messages),
        ids_literal(m.id for m in messages),
        literal(min(m.delay, LONGEST) for m in messages),
        literal(m.attempt for m in messages),
        literal(m.visibility_timeout for m in messages),
        [_as_json(m) if m.headers else None for m in messages],
        [m.body for m in messages],
    )


def literal(values: Iterable[float | None]) -> str:
    """An array as a text: the client library takes much longer for one with its items."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def ids_literal(ids: Iterable[UUID]) -> str:
    """Likewise, of ids."""
    return "{" + ",".join([f"{id.int:032x}" for id in ids]) + "}"


def names_literal(queues: Iterable[str]) -> str:
    """Likewise, of names of queues, in which nothing has to be escaped."""
    return '{"' + '","'.join(queues) + '"}'


def _as_json(message: Message) -> str:
    try:
        return msgspec.json.encode(message.headers).decode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"message {message.id}: headers that are no text: {error}") from error


def deliveries(rows: Sequence[Row], queues: Sequence[str]) -> tuple[Delivery, ...]:
    """Rows of `dequeue.sql`, which come in no order of their own."""
    places = {queue: place for place, queue in enumerate(queues)}
    rows = sorted(rows, key=lambda row: (places[row[0]], row[4], row[2]))
    # All ids at once: to make them one by one takes as long as all the rest.
    ids = msgspec.convert([row[1] for row in rows], list[UUID])
    return tuple(
        Delivery(
            id=id,
            queue=queue,
            body=body,
            attempt=attempt,
            visibility_timeout=lease,
            headers=_headers.decode(headers) if headers else _NO_HEADERS,
            deliveries=count,
            receipt=(seq, token),
            lease=lease,
        )
        for id, (queue, _, seq, token, _, attempt, count, lease, headers, body) in zip(
            ids, rows, strict=True
        )
    )


def held_columns(given: Sequence[Delivery]) -> tuple[str, ...]:
    """Where deliveries stand, and by which receipts they are held."""
    receipts = [cast("tuple[int, int]", d.receipt) for d in given]
    return (
        names_literal(d.queue for d in given),
        ids_literal(d.id for d in given),
        literal(seq for seq, _ in receipts),
        literal(token for _, token in receipts),
    )


def stored_task(row: Row) -> StoredTask:
    """A row of `get.sql`."""
    queue, id, state, body, attempt, count, lease, headers, enqueued, due, finished = row[:11]
    return StoredTask(
        ref=TaskRef(queue, UUID(bytes=id)),
        state=cast("TaskState", state),
        body=body,
        attempt=attempt,
        deliveries=count,
        visibility_timeout=lease,
        headers=_headers.decode(headers) if headers else _NO_HEADERS,
        enqueued_at=enqueued,
        due_at=due,
        finished_at=finished,
        failure=None if row[11] is None else Failure(*row[11:14]),
    )


def refs(rows: Iterable[Row]) -> tuple[TaskRef, ...]:
    """Queues and ids."""
    return tuple(TaskRef(queue, UUID(int=id.int)) for queue, id in rows)


def ref_columns(given: Iterable[TaskRef]) -> tuple[list[Any], list[Any]]:
    """The same, on the way there."""
    known = tuple(given)
    return [ref.queue for ref in known], [ref.id for ref in known]


def record_row(record: Record | None, ttl: float | None) -> tuple[Any, ...]:
    """Kind, value, how long it is to be kept, and how long it is, with a task kept for ``ttl``."""
    if record is None:
        return None, None, None, None
    known = [seconds for seconds in (record.keep_for, ttl) if seconds is not None]
    expires = min((*known, LONGEST)) if known else None
    value = record.value
    plain, failed = _COMPLETED if record.state == "completed" else _DEAD
    if isinstance(value, Failure):
        return failed, msgspec.json.encode(value), record.keep_for, expires
    return plain, value, record.keep_for, expires


def record(ref: TaskRef, row: Row) -> Record:
    """A row of `result.sql`."""
    kind, value, keep_for = row
    return Record(
        ref,
        "dead" if kind in _DEAD else "completed",
        value if kind in (_COMPLETED[0], _DEAD[0]) else _failure.decode(value),
        keep_for,
    )


def queue_stats(row: Row) -> QueueStats:
    """A row of `stats.sql`."""
    queue, pending, scheduled, running, dead, oldest = row
    return QueueStats(
        queue=queue,
        pending=pending,
        scheduled=scheduled,
        running=running,
        dead=dead,
        oldest_pending=None if oldest is None else max(oldest, 0.0),
    )
