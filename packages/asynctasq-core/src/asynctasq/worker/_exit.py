"""How a worker's process ends: the exit codes, and what each of them means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a worker's process exits with. Ended by a second signal, it is 128 + its number."""

    DONE = 0
    """Stopped as asked, or as many tasks have run as were to."""
    FAILED = 1
    """An error that nobody expected, or a backend that was not there at the start."""
    USAGE = 2
    """Asked for wrongly: arguments, options, a driver that is not there."""
    BACKEND_REFUSED = 3
    """The backend said no for good: credentials, schema, disk."""
    PART_DIED = 4
    """A background part of the worker died."""
    OVERRAN = 5
    """A task did not stop within ``stop_grace`` after its time-out."""
    STUCK = 6
    """No task has begun or ended within ``--stuck-after``."""
