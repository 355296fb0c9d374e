"""Messages as RabbitMQ holds them: the body as it is, the rest in properties and headers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct, json

from asynctasq.driver import DeadLetter, Failure, Message, Release, Retry, StoredTask
from asynctasq_drivers.rabbitmq._channel import Delivered, spec

ORIGIN: Final = "x-asynctasq-origin"
"""Which sending it stems from: the same in all its copies."""
ATTEMPT: Final = "x-asynctasq-attempt"
DELIVERIES: Final = "x-asynctasq-deliveries"
"""How often it had been handed out before this copy of it was made."""
LEASE: Final = "x-asynctasq-visibility-timeout"
HEADERS: Final = "x-asynctasq-headers"
"""Those of the message, as JSON."""
FAILURE: Final = "x-asynctasq-failure"
"""Why it is dead, as JSON."""
DIED: Final = "x-asynctasq-died-at"
RETURNED: Final = "x-delivery-count"
"""RabbitMQ's own: how often this copy was given back, as when its consumer's connection ended."""

SECONDS_OF_LEASE: Final = 60.0
"""It lasts as long as the connection; this is how often it is looked at, times three."""
LONGEST_TTL: Final = 315_360_000.0
"""Seconds: RabbitMQ lets nothing expire later than in ten years."""
_DEFAULT_TIMEOUT: Final = 300.0
_FOREIGN: Final = UUID("6f1c3f6e-3f0b-5d52-9d3c-0f6f2a3c9f11")
_PERSISTENT: Final = 2


class Parcel(Struct, frozen=True, gc=False):
    """Something to publish."""

    exchange: str
    key: str
    body: bytes
    properties: Any
    queue: str
    """That of the task, to whose topology the exchange belongs; empty: none has to be there."""
    id: UUID
    delay: float = 0.0


class Arrived(Struct, frozen=True, gc=False):
    """What the headers of a delivered message say."""

    id: UUID
    origin: str
    attempt: int
    deliveries: int
    visibility_timeout: float
    headers: Mapping[str, str]


def new_origin() -> str:
    """One that no other sending has."""
    return f"{random.getrandbits(96):024x}"


def properties_of(message: Message) -> Any:
    """Of a message that is sent for the first time."""
    return _properties(
        message, new_origin(), message.attempt, message.attempt - 1, _now(), message.headers
    )


def properties_of_copy(outcome: Retry | Release, sent: datetime | None) -> Any:
    """Of the copy that takes the place of a delivery."""
    delivery = outcome.delivery
    retried = isinstance(outcome, Retry)
    deliveries = delivery.deliveries if retried else delivery.deliveries - 1
    attempt = delivery.attempt + retried
    return _properties(
        delivery, delivery.origin or new_origin(), attempt, deliveries, sent, delivery.headers
    )


def properties_of_dead(outcome: DeadLetter, sent: datetime | None, ttl: float | None) -> Any:
    """Of a dead letter; kept for so many seconds, or until it is deleted."""
    delivery = outcome.delivery
    made = _properties(
        delivery,
        delivery.origin or new_origin(),
        delivery.attempt,
        delivery.deliveries,
        sent,
        delivery.headers,
    )
    made.headers[FAILURE] = json.encode(outcome.failure).decode()
    made.headers[DIED] = repr(_now().timestamp())
    if ttl is not None:
        made.expiration = str(int(min(ttl, LONGEST_TTL) * 1000))
    return made


def properties_of_replay(task: StoredTask, sent: datetime | None) -> Any:
    """Of a dead task that begins anew."""
    message = Message(
        id=task.ref.id,
        queue=task.ref.queue,
        body=b"",
        visibility_timeout=task.visibility_timeout,
        headers=task.headers,
    )
    return _properties(message, new_origin(), 1, 0, sent, task.headers)


def _properties(
    message: Message,
    origin: str,
    attempt: int,
    deliveries: int,
    sent: datetime | None,
    headers: Mapping[str, str],
) -> Any:
    table: dict[str, Any] = {
        ORIGIN: origin,
        ATTEMPT: attempt,
        DELIVERIES: deliveries,
        LEASE: repr(float(message.visibility_timeout)),
    }
    if headers:
        table[HEADERS] = json.encode(headers).decode()
    return spec.Basic.Properties(
        message_id=str(message.id), delivery_mode=_PERSISTENT, timestamp=sent, headers=table
    )


def _now() -> datetime:
    return datetime.now(UTC)


def arrived(delivered: Delivered) -> Arrived:
    """What a message says of itself. Of one that is not ours, what can be made of it."""
    properties = delivered.header.properties
    told: Mapping[str, Any] = properties.headers or {}
    attempt = max(1, _number(told.get(ATTEMPT), 1))
    given_back = max(0, _number(told.get(RETURNED), 0))
    id = _id_of(properties.message_id, delivered.body)
    return Arrived(
        id,
        str(told.get(ORIGIN) or f"of {id}"),
        attempt,
        max(_number(told.get(DELIVERIES), attempt - 1), attempt - 1) + given_back + 1,
        _seconds(told.get(LEASE)),
        _headers(told.get(HEADERS)),
    )


def stored_task(queue: str, delivered: Delivered) -> StoredTask:
    """A dead letter, as a listing shows it."""
    it, properties = arrived(delivered), delivered.header.properties
    told: Mapping[str, Any] = properties.headers or {}
    given_back = max(0, _number(told.get(RETURNED), 0))  # by those who looked at it
    sent = properties.timestamp
    return StoredTask(
        ref=Message(id=it.id, queue=queue, body=b"", visibility_timeout=1.0).ref,
        state="dead",
        body=delivered.body,
        attempt=it.attempt,
        deliveries=it.deliveries - given_back - 1,
        visibility_timeout=it.visibility_timeout,
        headers=it.headers,
        enqueued_at=sent.timestamp() if isinstance(sent, datetime) else None,
        finished_at=died_at(delivered),
        failure=_failure(told),
    )


def died_at(delivered: Delivered) -> float | None:
    """When it died, in Unix seconds."""
    told: Mapping[str, Any] = delivered.header.properties.headers or {}
    return _float(told.get(DIED))


def id_of(delivered: Delivered) -> UUID:
    """The task's."""
    return _id_of(delivered.header.properties.message_id, delivered.body)


def _failure(told: Mapping[str, Any]) -> Failure:
    try:
        return json.decode(str(told.get(FAILURE)), type=Failure)
    except msgspec.MsgspecError:
        reason = str(told.get("x-first-death-reason") or "unknown")
        return Failure("DeadLettered", f"by RabbitMQ itself: {reason}")


def _headers(text: object) -> Mapping[str, str]:
    if not isinstance(text, str):
        return {}
    try:
        return json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        return {}


def _id_of(text: str | None, body: bytes) -> UUID:
    try:
        return UUID(text)
    except (TypeError, ValueError, AttributeError):
        return uuid5(_FOREIGN, text or body.hex())


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default


def _seconds(value: object) -> float:
    seconds = _float(value)
    return seconds if seconds is not None and 0 < seconds < float("inf") else _DEFAULT_TIMEOUT


def _float(value: object) -> float | None:
    """Texts, as a number with a point would lose half of its digits on the way."""
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
