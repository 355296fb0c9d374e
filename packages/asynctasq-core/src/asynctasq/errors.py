"""Every error this library raises, in one tree.

::

    AsyncTasQError
    ├── ConfigError                 an option is unknown, of the wrong type or out of range
    ├── PluginError                 something installed beside the core cannot be used
    │   ├── DriverNotInstalled      no distribution on this machine has that driver
    │   ├── DriverBroken            its module failed to import, or is not a driver
    │   └── DriverIncompatible      it was written for another version of the contract
    ├── DriverError                 what a driver raises; client-library errors never pass its door
    │   ├── DriverUnavailable       the backend cannot be reached; certainly nothing was stored
    │   ├── OutcomeUnknown          the request went out, the reply never came
    │   ├── BackendRefused          the backend answered no: credentials, disk, schema, limits
    │   ├── DriverClosed            used before ``open()`` or after ``close()``
    │   ├── InvalidMessage          bad input, refused before anything was sent
    │   └── Unsupported             the driver does not declare what was asked of it
    ├── TaskDefinitionError         a task class or function that cannot work
    ├── ArgumentError               arguments that cannot be sent and read back
    ├── PayloadError                a stored task this process cannot read
    ├── LeaseLost                   a task's own transaction came too late, and is rolled back
    ├── WorkerLost                  a run ended with its worker, or was stopped from outside
    ├── WorkerFailed                a worker cannot go on and has to be replaced
    ├── PartlyEnqueued              a batch of which not all is stored
    ├── TaskFailed                  ``result()`` of a task that is dead
    ├── ResultTimeout               ``result()`` waited as long as it was told to
    └── ResultUnavailable           there is no result to be had

Only `DriverUnavailable` is ever tried again by the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


class AsyncTasQError(Exception):
    """Root of the tree: catches everything that this library raises on purpose."""


class ConfigError(AsyncTasQError, ValueError):
    """An option is unknown, of the wrong type or out of range. The message names all three."""


class PluginError(AsyncTasQError):
    """A distribution beside the core cannot be used; the message says what to do about it."""


class DriverNotInstalled(PluginError):
    """No installed distribution provides the driver that was asked for."""


class DriverBroken(PluginError):
    """A driver's module failed to import, or what it provides is not a driver."""


class DriverIncompatible(PluginError):
    """A driver was written for a version of the contract that this core does not run."""


class DriverError(AsyncTasQError):
    """What a driver may raise. The client library's own error is its ``__cause__``."""


class DriverUnavailable(DriverError):
    """The backend cannot be reached. Nothing of this call was stored: it is safe to try again."""


class OutcomeUnknown(DriverError):
    """A request went out and its reply never came: ``ids`` may be stored, or may not.

    Without ids, it was about no message in particular: what was taken comes back with its lease.

    Sending the same ids again is safe only where the driver declares ``idempotent_enqueue``.
    """

    def __init__(self, ids: Iterable[UUID], reason: str = "the reply never came") -> None:
        self.ids: tuple[UUID, ...] = tuple(ids)
        self.reason: str = reason
        shown = ", ".join(map(str, self.ids[:5])) + (", ..." if len(self.ids) > 5 else "")
        told = f"{len(self.ids)} message(s) may be stored or may not be ({shown})"
        super().__init__(f"{reason}: {told}" if self.ids else reason)


class BackendRefused(DriverError):
    """The backend was reached and said no for good: trying the same again does not help."""


class DriverClosed(DriverError):
    """A driver was used before ``open()`` or after ``close()``. Nothing was sent."""


class InvalidMessage(DriverError, ValueError):
    """Bad input to a driver. Nothing of the batch it came in was sent."""


class Unsupported(DriverError):
    """The driver does not declare the capability that was asked of it. Nothing was sent."""


class TaskDefinitionError(AsyncTasQError, TypeError):
    """A task class or function that cannot work, found when it is defined or first used."""


class ArgumentError(AsyncTasQError, TypeError):
    """An argument that could not be sent, or would not come back as it was. Nothing was sent."""


class PayloadError(AsyncTasQError):
    """A stored task that this process cannot read, or whose name it does not know."""


class LeaseLost(AsyncTasQError):
    """The lease of a task ended before its `asynctasq.transaction()`: somebody else has the task.

    Nothing of this run was committed. Let it end the task: that is no failed attempt.
    """


class WorkerLost(AsyncTasQError):
    """Runs of a task ended with their worker; given to ``failed()`` when that was too often."""


class WorkerFailed(AsyncTasQError):
    """A worker cannot go on: a task does not stop, or nothing moves. Its process is to be replaced.

    What it held comes back when its leases end. ``code`` is the exit code that tells why.
    """

    def __init__(self, reason: str, code: int) -> None:
        self.code: int = code
        super().__init__(reason)


class PartlyEnqueued(AsyncTasQError):
    """Not all of a batch is stored. Ids are in the order in which they were dispatched.

    ``stored`` are in the backend, ``not_stored`` are certainly not, ``unknown`` may be.
    """

    def __init__(
        self, stored: Iterable[UUID], not_stored: Iterable[UUID], unknown: Iterable[UUID]
    ) -> None:
        self.stored: tuple[UUID, ...] = tuple(stored)
        self.not_stored: tuple[UUID, ...] = tuple(not_stored)
        self.unknown: tuple[UUID, ...] = tuple(unknown)
        super().__init__(
            f"{len(self.stored)} task(s) stored, {len(self.not_stored)} not stored, "
            f"{len(self.unknown)} unknown; .stored, .not_stored and .unknown hold their ids"
        )


class TaskFailed(AsyncTasQError):
    """The task whose result was asked for is dead. ``type``, ``text`` and ``traceback`` say why."""

    def __init__(self, type: str, text: str, traceback: str) -> None:
        self.type: str = type
        self.text: str = text
        self.traceback: str = traceback
        super().__init__(f"{type}: {text}" if text else type)


class ResultTimeout(AsyncTasQError, TimeoutError):
    """No result was there in time. The task is not affected by it."""


class ResultUnavailable(AsyncTasQError):
    """There is no result to be had: not stored by choice, or by a backend that cannot."""
