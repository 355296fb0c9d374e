"""Rows of the file as the structs of the contract, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from asynctasq.driver import Delivery, Failure, Message, Record, StoredTask, TaskRef, TaskState
from asynctasq.errors import InvalidMessage
from asynctasq_drivers.sqlite._clock import after

PENDING, SCHEDULED, RUNNING, COMPLETED, DEAD = range(5)
STATES: Final[tuple[TaskState, ...]] = ("pending", "scheduled", "running", "completed", "dead")

_failure = msgspec.json.Decoder(Failure)
_headers = msgspec.json.Decoder(dict[str, str])
_NO_HEADERS: Final[Mapping[str, str]] = {}


def message_row(message: Message, now: int) -> tuple[Any, ...]:
    """What `enqueue.sql` stores of a message."""
    return (
        message.queue,
        message.id.bytes,
        SCHEDULED if message.delay else PENDING,
        after(now, message.delay) if message.delay else now,
        message.attempt,
        message.attempt - 1,
        message.visibility_timeout,
        now,
        _as_json(message) if message.headers else None,
        message.body,
    )


def _as_json(message: Message) -> str:
    try:
        return msgspec.json.encode(message.headers).decode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"message {message.id}: headers that are no text: {error}") from error


def deliveries(queue: str, rows: Sequence[Sequence[Any]]) -> list[Delivery]:
    """Rows of `take.sql`."""
    # All ids at once: to make them one by one takes as long as all the rest.
    ids = msgspec.convert([row[2] for row in rows], list[UUID])
    return [
        Delivery(
            id=id,
            queue=queue,
            body=body,
            attempt=attempt,
            visibility_timeout=lease,
            headers=_headers.decode(headers) if headers else _NO_HEADERS,
            deliveries=count,
            receipt=(seq, receipt),
            lease=lease,
        )
        for id, (seq, receipt, _, body, attempt, count, lease, headers) in zip(
            ids, rows, strict=True
        )
    ]


def state_of(state: int, due: int | None, now: int) -> TaskState | None:
    """What a task is now: time moves it before anything is written. None: it has expired."""
    if state == PENDING or due is None or due > now:
        return STATES[state]
    return None if state >= COMPLETED else "pending"


def stored_task(row: Sequence[Any], now: int) -> StoredTask | None:
    """A row of `get.sql`; None: it has expired."""
    _, queue, id, number, due, attempt, deliveries, lease, enqueued, finished = row[:10]
    headers, failure, body = row[10:]
    state = state_of(number, due, now)
    return state and StoredTask(
        ref=TaskRef(queue, UUID(bytes=id)),
        state=state,
        body=body,
        attempt=attempt,
        deliveries=deliveries,
        visibility_timeout=lease,
        headers=_headers.decode(headers) if headers else _NO_HEADERS,
        enqueued_at=enqueued / 1e6,
        due_at=due / 1e6 if number < COMPLETED else None,
        finished_at=None if finished is None else finished / 1e6,
        failure=None if failure is None else _failure.decode(failure),
    )


def failure_text(failure: Failure) -> str:
    """A failure as it is stored."""
    return msgspec.json.encode(failure).decode()


def record_row(record: Record, expires: int | None) -> tuple[Any, ...]:
    """What `store.sql` stores of a record."""
    value = record.value if isinstance(record.value, bytes) else failure_text(record.value)
    kind = COMPLETED if record.state == "completed" else DEAD
    return (record.ref.id.bytes, record.ref.queue, kind, value, record.keep_for, expires)


def record(ref: TaskRef, row: Sequence[Any]) -> Record:
    """A row of `result.sql`."""
    state, value, keep_for = row
    return Record(
        ref,
        "completed" if state == COMPLETED else "dead",
        _failure.decode(value) if isinstance(value, str) else value,
        keep_for,
    )
