"""The contract between the core and a backend: bytes in, bytes out, batches everywhere.

A driver knows no task, codec or retry policy. It stores messages, hands each to one worker at a
time under a lease, and settles what became of it. Its author reads this file and `errors.py`.

* Every duration is in seconds, as a float; every size is in bytes.
* Time is the backend's clock, not the client's, wherever the backend has one.
* An instance belongs to the event loop that opened it; any number of its methods may be under
  way there at once. Cancelling a call may lose its answer, never a message.
* Only `asynctasq.errors.DriverError` and its children leave a driver, raised ``from`` the client
  library's own. `DriverUnavailable` promises that nothing of the call was stored.
* *After a crash* in the docstrings: what the backend holds if the process dies in that call, or
  if the reply is lost.
* ``gc=False``: what leads to nothing but values is no work for the garbage collector, however much
  of it waits. A receipt is the driver's own and may lead anywhere, so deliveries are collected.
"""

from __future__ import annotations

import re
import traceback as tracebacks
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import force_setattr

from asynctasq._ids import uuid7
from asynctasq._secret import Secret as Secret
from asynctasq.errors import InvalidMessage, Unsupported

API: Final = (1, 0)
"""(major, minor) of this contract. A core runs drivers of its major and of no newer minor."""

QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
"""Every legal queue name. A driver whose backend allows less refuses the rest itself."""

TaskState: TypeAlias = Literal["scheduled", "pending", "running", "completed", "dead"]
OutcomeName: TypeAlias = Literal["ack", "retry", "dead_letter", "release"]


class Context(Struct, frozen=True, kw_only=True):
    """What the core tells every driver beside its own options."""

    result_ttl: float = 3600.0
    """Seconds for which a completed task's result can be read."""
    dead_ttl: float | None = None
    """Seconds for which a dead task is kept; None: until it is deleted or retried."""
    keep_completed_tasks: bool = False
    """Keep a completed task in the `TaskStore`, for `completed_ttl`, instead of removing it."""
    completed_ttl: float = 604_800.0
    """Seconds for which a completed task is kept where `keep_completed_tasks` is on."""
    task_scan_limit: int = 10_000
    """The most tasks that one call to a `TaskStore` may look at."""
    clock: Callable[[], float] | None = None
    """For tests: seconds, never going back. A driver whose backend has a clock ignores it."""


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a driver can do. What it does not declare is never asked of it."""

    lease: Literal["timed", "connection"]
    """*timed*: ends by itself unless extended. *connection*: held while the connection lives."""
    max_lease: float | None
    """Longest lease in seconds; None: any."""
    max_delay: float | None
    """Longest delay in seconds; None: any."""
    delay_resolution: float
    """By how many seconds a delayed message may be late although a worker waits for it."""
    max_body: int | None
    """Largest body in bytes; None: no limit worth naming."""
    retention: float | None
    """Seconds after which the backend may drop a message that nobody took; None: never."""
    atomic: frozenset[OutcomeName] = frozenset()
    """Outcomes settled in one step. The others: new copy confirmed, then old one removed."""
    per_message_lease: bool = False
    """Leases differ from message to message; else one length holds for the queue."""
    idempotent_enqueue: bool = False
    """Enqueuing an id that its queue holds, or a record of, changes nothing and is no error."""
    uncounted_release: bool = False
    """A released message does not count the delivery that ended so; else it counts as a loss."""
    reports_lost: bool = False
    """`settle` and `extend` name the deliveries whose lease was lost."""
    fifo: bool = False
    """Due messages of a queue are handed out in the order in which they became due; where one
    goes whose lease ran out is the driver's choice."""
    strict_queue_order: bool = False
    """`dequeue` takes nothing from a queue while an earlier one it was given has due messages."""
    wakes: bool = False
    """A waiting `dequeue` is woken by the backend; else it polls."""
    exact_stats: bool = False
    """Counts in `stats` are exact when nothing else runs."""
    counts_scheduled: bool = False
    """`stats` knows how many messages are not due yet."""
    process_local: bool = False
    """Messages live in the process that enqueues them: no other process can run them."""
    purges_scheduled: bool = False
    """`purge` drops messages that are not due yet as well."""


class TaskRef(Struct, frozen=True, order=True, gc=False):
    """A task's address: its queue and its id."""

    queue: str
    id: UUID


class Failure(Struct, frozen=True, gc=False):
    """Why an attempt failed. Cut to its bounds (256, 4,096 and 16,384 characters) when made.

    What some backend cannot store as text, NUL and lone surrogates, is escaped when made.
    """

    type: str
    text: str = ""
    traceback: str = ""
    """The end of it, where the error was raised, if it had to be cut. Holds no local variables."""

    def __post_init__(self) -> None:
        force_setattr(self, "type", _storable(self.type)[:256])
        force_setattr(self, "text", _storable(self.text)[:4096])
        force_setattr(self, "traceback", _storable(self.traceback)[-16_384:])

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception stands for."""
        lines = tracebacks.TracebackException.from_exception(error, limit=-50).format()
        return cls(type(error).__qualname__, _text_of(error), "".join(lines))


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """What a driver stores: opaque bytes, and the few fields that a driver acts on."""

    id: UUID = field(default_factory=uuid7)
    """Any UUID; the caller's, and never changed."""
    queue: str
    """A name that `QUEUE_NAME` matches."""
    body: bytes
    """The task's envelope. Comes back byte for byte, after any number of retries."""
    delay: float = 0.0
    """Seconds from now until it is due."""
    attempt: int = 1
    """Which attempt its next run is: 1, then one more with each `Retry`. A message that begins
    with a later one has that many deliveries behind it, and no losses."""
    visibility_timeout: float
    """Seconds of lease that each delivery of it asks for."""
    headers: Mapping[str, str] = {}
    """Short texts that travel with the body, for tools that read a backend without the codec;
    8,192 characters in all at most."""

    @property
    def ref(self) -> TaskRef:
        """Its address."""
        return TaskRef(self.queue, self.id)


class Delivery(Message, frozen=True, kw_only=True, gc=True):
    """A message in the hands of one worker, for as long as its lease runs. ``delay`` is 0."""

    deliveries: int
    """How often it was handed out, this time included; counted in the same atomic step."""
    receipt: Hashable
    """The fencing token: other for every delivery of a message. Only the driver reads it; with a
    *timed* lease any instance can settle it, with *connection* the one that received it."""
    lease: float
    """Seconds of lease that were really granted, from the hand-out on."""
    origin: str | None = None
    """Names the sending that it stems from, where copies of what ended may come again: one name
    for each enqueue of a message and for each replay, the same in every delivery and every copy
    (retry, release) of it. A worker drops what it has finished by it. None: every outcome is
    settled in one step, so that nothing that ended comes again."""

    @property
    def losses(self) -> int:
        """Runs that ended with their worker: deliveries that no attempt accounts for."""
        return self.deliveries - self.attempt


class Record(Struct, frozen=True, gc=False):
    """How a task ended: what `ResultStore.result` reads."""

    ref: TaskRef
    state: Literal["completed", "dead"]
    value: bytes | Failure
    keep_for: float | None
    """Seconds from now; None: as long as the dead task itself is kept."""


class Ack(Struct, frozen=True):
    """Done: the message goes (or is kept as completed), the record comes in the same step."""

    name: ClassVar[OutcomeName] = "ack"
    delivery: Delivery
    record: Record | None = None


class Retry(Struct, frozen=True):
    """The attempt failed: the same body is due again after ``delay``, as attempt + 1."""

    name: ClassVar[OutcomeName] = "retry"
    delivery: Delivery
    delay: float
    failure: Failure


class DeadLetter(Struct, frozen=True):
    """Failed for good: kept with its failure, for inspection and replay, no longer handed out."""

    name: ClassVar[OutcomeName] = "dead_letter"
    delivery: Delivery
    failure: Failure
    record: Record | None = None


class Release(Struct, frozen=True):
    """Given back unrun: due again after ``delay``, same attempt; without delay, before its juniors.

    Where ``uncounted_release`` is declared, the delivery that ends so does not count.
    """

    name: ClassVar[OutcomeName] = "release"
    delivery: Delivery
    delay: float = 0.0


Outcome: TypeAlias = Ack | Retry | DeadLetter | Release


class Enqueued(Struct, frozen=True):
    """Answer of `Driver.enqueue`: both together are the ids that were given."""

    stored: tuple[UUID, ...]
    failed: Mapping[UUID, Exception] = {}
    """Certainly not stored, and why. Empty where the backend can do all or none."""


class Settled(Struct, frozen=True):
    """Answer of `Driver.settle`."""

    lost: tuple[Delivery, ...] = ()
    """Given back or handed out again since, so nothing was changed for them."""


class Renewed(Struct, frozen=True):
    """Answer of `Driver.extend`."""

    lost: tuple[Delivery, ...] = ()
    """No longer held by that receipt; their lease was not touched."""


class QueueStats(Struct, frozen=True):
    """A queue in numbers; None: cannot be known here. Never a false 0."""

    queue: str
    pending: int | None
    scheduled: int | None
    running: int | None
    dead: int | None
    oldest_pending: float | None
    """Seconds since the oldest pending message became due; None also where none is pending."""


class Purged(Struct, frozen=True):
    """Answer of `Driver.purge`: how many messages it dropped; None: the backend does not say."""

    count: int | None


class Driver(Protocol):
    """One backend. Made with its own options and the core's context; nothing is sent before `open`.

    ``name``, ``api`` and ``capabilities`` are class attributes; an instance may declare less than
    its class where its options ask for that.
    """

    name: ClassVar[str]
    api: ClassVar[tuple[int, int]]
    capabilities: Capabilities

    def __init__(self, options: Any, context: Context) -> None: ...

    async def open(self) -> None:
        """Connect. Idempotent, also when first called many times at once: one pool, not five.

        Raises `DriverUnavailable`, after which it may be called again; `BackendRefused`.
        """

    async def close(self) -> None:
        """Release what a cancelled dequeue had claimed, then disconnect. Idempotent; never raises.

        A dequeue that waits ends with (). Afterwards every other method raises `DriverClosed`: who
        needs the backend again makes another instance.
        *After a crash*: as if the process had been killed without it; leases come back by time.
        """

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        """Store messages, of any queues; returns when the backend has confirmed them.

        All or none where the backend can; else ``failed`` says which are not stored. Raises
        `InvalidMessage` and `Unsupported` before anything is sent; `DriverUnavailable` and
        `BackendRefused`: none is stored, so that core may send the good ones of a batch again, one
        by one; `OutcomeUnknown`: each may be. *After a crash*: as after `OutcomeUnknown`.
        """
        ...

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        """Take up to ``limit`` (>= 1) due messages, in the order of ``queues``, then oldest first.

        Answers at once when any is due; else waits up to ``wait`` seconds for the first, by the
        backend's own means, and answers () if none came. Each is hidden from all others for its
        ``lease`` and its delivery counted, in one atomic step. A message whose lease ran out comes
        back by this call alone, exactly once, with no other process to run.

        *After a crash*, or a lost reply: what was taken comes back when its lease ends. What a
        cancelled call had taken is in the next call's answer, or released by `close`.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        """Make outcomes true: mixed, any number, in round trips that do not grow with it; no
        delivery twice.

        Each is one atomic step where its name is in ``capabilities.atomic``; elsewhere the new copy
        is confirmed before the old is removed. Fenced by receipt: a delivery that is no longer held
        is in ``lost`` and changes nothing. A receipt is held until its message is handed out again:
        a lease that merely ran out may still be settled; with *connection*, until that ends.
        Raises `InvalidMessage` and `Unsupported`, for a delay that cannot be kept, before anything
        is sent.

        *After a crash*, or `DriverUnavailable` or `OutcomeUnknown`: each outcome happened or did
        not. Safe to repeat; what had happened is then in ``lost``.
        """
        ...

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        """Let each lease run for its ``lease`` seconds from now. Fenced; never waits for a lock:
        what somebody else's transaction has locked is skipped, neither renewed nor lost.

        *After a crash*: each lease ends at its old or its new time.
        """
        ...

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        """The queues given, in that order (an unknown one has zeros), or all, by name."""
        ...

    async def purge(self, queue: str) -> Purged:
        """Drop what is pending and, where declared, scheduled. Running and dead stay."""
        ...


class StoredTask(Struct, frozen=True, kw_only=True):
    """A task as its backend holds it; the body stays bytes, and nothing of it is decoded."""

    ref: TaskRef
    state: TaskState
    body: bytes
    attempt: int
    deliveries: int
    visibility_timeout: float
    headers: Mapping[str, str] = {}
    enqueued_at: float | None = None
    """Unix seconds, by the backend's clock; None: not known here. So are the next two."""
    due_at: float | None = None
    """When it is due, or, while it runs, when its lease ends."""
    finished_at: float | None = None
    failure: Failure | None = None
    """Of its last failed attempt."""


class TaskPage(Struct, frozen=True):
    """Part of a listing. ``cursor`` asks for the next part; None: this was the last."""

    tasks: tuple[StoredTask, ...]
    cursor: str | None = None


@runtime_checkable
class TaskStore(Protocol):
    """Optional: look at single tasks, replay and delete them. Answers say what was really done."""

    async def get(self, ref: TaskRef) -> StoredTask | None:
        """The task, or None where it is not (or no longer) kept."""

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        """Tasks of one state, of one queue or of all; looks at ``task_scan_limit`` at most.

        A page may hold fewer than ``limit`` and still have a cursor. A task that keeps its state
        meanwhile is in exactly one page. A cursor not of this driver raises `InvalidMessage`.
        """
        ...

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        """Make dead tasks pending, attempts and losses anew, dropping their record; returns those.

        *After a crash*: each is dead or pending, never neither; twice only where ``retry`` is not
        in ``capabilities.atomic``.
        """
        ...

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        """Remove tasks, with their records, unless they are running; returns those removed."""
        ...


@runtime_checkable
class ResultStore(Protocol):
    """Optional: keeps records. One that comes with an outcome is stored in the same step."""

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        """The record of a task that ended; waits up to ``wait`` seconds for it, or None.

        Woken by the backend where it can. A record ends with its ``keep_for``.
        """
        ...

    async def store(self, records: Sequence[Record]) -> None:
        """Keep records by themselves. Idempotent: the same ref again replaces what was there."""


class Migration(Struct, frozen=True):
    """One numbered step of a schema."""

    version: int
    name: str
    sql: str


@runtime_checkable
class Migrates(Protocol):
    """Optional: a schema that this driver brings up to date. Callable before `Driver.open`."""

    async def migrate(self) -> tuple[Migration, ...]:
        """Apply what is pending, under a lock, safely while workers of the version before run.

        Returns what this call applied. Raises `BackendRefused` where the schema is newer than this
        driver knows. *After a crash*: some steps are applied whole; run it again.
        """
        ...

    async def pending_migrations(self) -> tuple[Migration, ...]:
        """What `migrate` would apply, with its SQL; () when the schema is up to date."""
        ...


@runtime_checkable
class JoinsTransaction(Protocol):
    """Optional: enqueue on the caller's own connection, so that both commit or neither does."""

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        """As `Driver.enqueue`, but it holds from the caller's commit on, and only then. A delay
        counts from this call or from the commit.

        Raises `Unsupported`, naming what is accepted, for a connection it cannot use; a backend
        with one writer at a time refuses a second transaction while another one has written.
        """
        ...


@runtime_checkable
class SettlesInTransaction(Protocol):
    """Optional: acknowledge on the task's own connection: its writes and its ack are one commit."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A connection of this driver's own, with a transaction begun, for code of users.

        Commits when the block ends; rolls back on any error, which passes unchanged. The end of
        the block may run in another asyncio task, which nobody cancels. ``enqueue_in`` takes the
        connection too, where there is one. Raises on entering what `Driver.open` does; from the
        commit `OutcomeUnknown`, without ids, where its reply is lost, and `DriverUnavailable` or
        `BackendRefused` where it certainly did not happen.

        *After a crash* before the commit: as rolled back; no lock outlives its connection.
        """
        ...

    async def settle_in(self, connection: Any, ack: Ack) -> bool:
        """Acknowledge as the last statement before the commit; False: lease lost, so roll back.

        From here to the end of the transaction nobody else is handed the message, and `extend`
        skips it. The record of the ack, if it has one, is stored by the same commit.
        """
        ...


def check_messages(messages: Sequence[Message], capabilities: Capabilities) -> None:
    """Refuse what no backend, or not this one, can store. Drivers call it first in ``enqueue``.

    Raises `InvalidMessage` (queue name, negative or unbounded numbers, size, an id twice in the
    batch) and `Unsupported` (a longer delay or lease than is declared), naming the message.
    """
    for message in messages:
        if problem := _problem(message, capabilities):
            raise InvalidMessage(f"message {message.id}: {problem}")
        _require(message, "delay", message.delay, capabilities.max_delay)
        _require(message, "visibility_timeout", message.visibility_timeout, capabilities.max_lease)
    if len({message.id for message in messages}) < len(messages):
        raise InvalidMessage("the same id twice in one batch: every message needs an id of its own")


def check_outcomes(outcomes: Sequence[Outcome], capabilities: Capabilities) -> None:
    """Refuse a delay that no backend, or not this one, can keep. Drivers call it in ``settle``.

    Raises `InvalidMessage` (negative or unbounded) and `Unsupported` (longer than is declared),
    naming the message: once the old copy is gone it would be too late.
    """
    for outcome in outcomes:
        if isinstance(outcome, (Retry, Release)):  # a union would be made anew for each
            if not 0 <= outcome.delay < float("inf"):
                raise InvalidMessage(
                    f"message {outcome.delivery.id}: delay {outcome.delay}: expected seconds >= 0"
                )
            _require(outcome.delivery, "delay", outcome.delay, capabilities.max_delay)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(showing this error raised another)"


def _storable(text: str) -> str:
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()


def _problem(message: Message, can: Capabilities) -> str | None:
    if not QUEUE_NAME.fullmatch(message.queue):
        return f"queue {message.queue[:200]!r}: expected {QUEUE_NAME.pattern}"
    if not 0 <= message.delay < float("inf"):
        return f"delay {message.delay}: expected seconds >= 0"
    if not 0 < message.visibility_timeout < float("inf"):
        return f"visibility_timeout {message.visibility_timeout}: expected seconds > 0"
    if message.headers and sum(map(len, (*message.headers, *message.headers.values()))) > 8192:
        return "headers of more than 8,192 characters: what is long belongs into the body"
    if message.attempt < 1:
        return f"attempt {message.attempt}: expected a number from 1 on"
    if can.max_body is not None and len(message.body) > can.max_body:
        return f"body of {len(message.body)} bytes: this backend stores up to {can.max_body}"
    return None


def _require(message: Message, what: str, seconds: float, longest: float | None) -> None:
    if longest is not None and seconds > longest:
        raise Unsupported(
            f"message {message.id}: {what} {seconds} s: this backend allows up to {longest} s"
        )
