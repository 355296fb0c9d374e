"""From a call to a stored message: everything is checked here, before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import UUID

from asynctasq.codec import VERSION, Envelope, encode_envelope
from asynctasq.driver import JoinsTransaction, Message, check_messages
from asynctasq.errors import AsyncTasQError, OutcomeUnknown, PartlyEnqueued, Unsupported
from asynctasq.events import TaskEnqueued
from asynctasq.plugins import driver_class
from asynctasq.tasks._client import Client, current_client, local_client
from asynctasq.tasks._current import current_correlation_id
from asynctasq.tasks._handle import TaskHandle
from asynctasq.tasks._outbox import BATCH
from asynctasq.tasks._policy import Policy
from asynctasq.tasks._portal import run_sync
from asynctasq.tasks._remote import RemoteClient

if TYPE_CHECKING:
    from asynctasq.tasks._call import Call, Chain

R = TypeVar("R")
AnyClient: TypeAlias = Client | RemoteClient


class Parcel:
    """A call made ready: its policy and its message."""

    __slots__ = ("call", "correlation_id", "message", "policy")

    def __init__(self, call: Call[Any], client: AnyClient) -> None:
        call.definition.check_latest()
        self.call = call
        self.policy: Policy = client.policy(call.definition, call.config)
        self.correlation_id = (
            self.policy.correlation_id
            or current_correlation_id()
            or client.settings.config.correlation_id
        )
        self.message = Message(
            queue=self.policy.queue,
            body=_body(call, self.policy, self.correlation_id),
            delay=call.delayed,
            visibility_timeout=self.policy.visibility_timeout,
        )

    def handle(self) -> TaskHandle[Any]:
        """What its caller gets."""
        policy = self.policy
        return TaskHandle(
            self.message.ref, self.call.definition, policy.driver, policy.store_result
        )


async def dispatch(call: Call[R], connection: Any) -> TaskHandle[R]:
    """See `Chain.dispatch`."""
    call.spend()
    client = await current_client()
    parcel = Parcel(call, client)
    if connection is None:
        await client.outbox(parcel.policy.driver).put(parcel.message)
        _tell_enqueued(client, (parcel,))
    else:
        await _enqueue_in(parcel.policy.driver, connection, [parcel])
    return parcel.handle()


def dispatch_sync(call: Call[R], connection: Any) -> TaskHandle[R]:
    """See `Chain.dispatch_sync`."""
    call.spend()
    return run_sync(dispatch(call, connection), "dispatch")


async def dispatch_many(
    calls: Iterable[Chain[R]], *, connection: Any = None
) -> list[TaskHandle[R]]:
    """Send many tasks, in batches of 1,000; returns their handles in the same order.

    Each batch is stored all or none where the backend can, and everything is checked before the
    first is sent. Raises `PartlyEnqueued` if some are stored and others are not, or may be;
    otherwise, nothing being stored, what `Chain.dispatch` raises. With ``connection`` all are part
    of its transaction.
    """
    prepared = [call.prepared() for call in calls]
    for call in prepared:
        call.spend()
    client = await current_client()
    parcels = [Parcel(call, client) for call in prepared]
    groups = _by_driver(parcels)
    for driver, group in groups.items():
        check_messages([p.message for p in group], driver_class(driver).capabilities)
    if connection is not None:
        for driver, group in groups.items():
            await _enqueue_in(driver, connection, group)
    else:
        await _send_all(client, groups)
    return [parcel.handle() for parcel in parcels]


async def _send_all(client: AnyClient, groups: Mapping[str, Sequence[Parcel]]) -> None:
    tally = _Tally()
    for driver, group in groups.items():
        for start in range(0, len(group), BATCH):
            batch = group[start : start + BATCH]
            await tally.count(client, driver, batch)
    tally.conclude()


class _Tally:
    """What became of each message of a `dispatch_many`; after the first failure nothing is sent."""

    def __init__(self) -> None:
        self.stored: list[UUID] = []
        self.not_stored: list[UUID] = []
        self.unknown: list[UUID] = []
        self.error: Exception | None = None

    async def count(self, client: AnyClient, driver: str, batch: Sequence[Parcel]) -> None:
        """Send one batch."""
        messages = [parcel.message for parcel in batch]
        ids = [message.id for message in messages]
        if self.error is not None:
            self.not_stored += ids
            return
        try:
            failed = await client.outbox(driver).send(messages)
        except Exception as error:
            self.error = error
            if isinstance(error, AsyncTasQError) and not isinstance(error, OutcomeUnknown):
                self.not_stored = ids
            else:  # of another error, from a driver that breaks its contract, nothing is known
                self.unknown = ids
        else:
            self.stored += (id for id in ids if id not in failed)
            self.not_stored += (id for id in ids if id in failed)
            self.error = next(iter(failed.values()), None)
            _tell_enqueued(client, [p for p in batch if p.message.id not in failed])

    def conclude(self) -> None:
        """Raise if not everything is stored."""
        if self.error is None:
            return
        if self.stored or self.unknown:
            raise PartlyEnqueued(self.stored, self.not_stored, self.unknown) from self.error
        raise self.error


async def _enqueue_in(name: str, connection: Any, parcels: Sequence[Parcel]) -> None:
    """Put messages into the caller's transaction: on the loop that its connection belongs to."""
    driver = await (await local_client()).driver(name)
    if not isinstance(driver, JoinsTransaction):
        raise Unsupported(
            f"the {name} driver cannot be part of a transaction: dispatch without connection="
        )
    answer = await driver.enqueue_in(connection, [parcel.message for parcel in parcels])
    for error in answer.failed.values():
        raise error


def _by_driver(parcels: Iterable[Parcel]) -> dict[str, list[Parcel]]:
    groups: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        groups.setdefault(parcel.policy.driver, []).append(parcel)
    return groups


def _body(call: Call[Any], policy: Policy, correlation_id: str | None) -> bytes:
    return encode_envelope(
        Envelope(
            version=VERSION,
            task=call.definition.name,
            args=call.definition.arguments.encode(call.bound),
            max_attempts=policy.max_attempts,
            retry_strategy=policy.retry_strategy,
            retry_delay=policy.retry_delay,
            retry_max_delay=policy.retry_max_delay,
            timeout=policy.timeout,
            correlation_id=correlation_id,
            store_result=policy.store_result,
        )
    )


def _tell_enqueued(client: AnyClient, parcels: Iterable[Parcel]) -> None:
    if not client.events.wants(TaskEnqueued):
        return
    now = time.time()
    for parcel in parcels:
        client.events.emit(
            TaskEnqueued(
                at=now,
                id=parcel.message.id,
                task=parcel.call.definition.name,
                queue=parcel.message.queue,
                correlation_id=parcel.correlation_id,
                delay=parcel.message.delay,
            )
        )
