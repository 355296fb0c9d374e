"""What a child process is asked to do, one order for each, and what it says: lines of JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

TaskName: TypeAlias = Literal["noop", "nap", "stamp"]


class Step(Struct, frozen=True, kw_only=True, tag=True):
    """Run a floor; answers `Paced`."""

    file: str
    name: str
    count: int
    seconds: float


class Store(Struct, frozen=True, kw_only=True, tag=True):
    """Dispatch no-op tasks in one of three ways; answers `Paced`."""

    way: Literal["one", "fifty", "many"]
    queue: str
    count: int
    seconds: float


class Fill(Struct, frozen=True, kw_only=True, tag=True):
    """Store so many tasks that wait; answers `Done`."""

    task: TaskName
    queue: str
    count: int


class Pulse(Struct, frozen=True, kw_only=True, tag=True):
    """Dispatch so many tasks, at that rate a second, that note how late they start; from the word
    "go" on. Answers `Done`."""

    queue: str
    count: int
    rate: float = 20.0


class Work(Struct, frozen=True, kw_only=True, tag=True):
    """Run a worker, from the word "go" on until "stop". Tells `Online` and `Progress`, answers
    `Worked`."""

    queue: str
    concurrency: int
    most: int | None = None
    """End the worker after so many tasks."""
    fill: Fill | None = None
    """Before it is ready; for drivers whose messages no other process sees."""
    pulse: Pulse | None = None
    """While it works; for the same."""


class Purge(Struct, frozen=True, kw_only=True, tag=True):
    """Drop what waits in a queue; answers `Done`."""

    queue: str


class Count(Struct, frozen=True, kw_only=True, tag=True):
    """Count what a backend is sent in so many seconds, by its floor file; answers `Counted`."""

    file: str
    seconds: float


class Relay(Struct, frozen=True, kw_only=True, tag=True):
    """Be a proxy that adds so many seconds to each round trip; `Ready` says on which port."""

    host: str
    port: int
    added: float


Order: TypeAlias = Step | Store | Fill | Pulse | Work | Purge | Count | Relay


class Ready(Struct, frozen=True, tag=True):
    """All is prepared: waits for "go"."""

    port: int = 0


class Online(Struct, frozen=True, tag=True):
    """The worker has connected, and fetches."""


class Progress(Struct, frozen=True, tag=True):
    """So many tasks are acknowledged."""

    completed: int


class Failed(Struct, frozen=True, tag=True):
    """It did not work."""

    reason: str


class Done(Struct, frozen=True, tag=True):
    """It is done."""


class Counted(Struct, frozen=True, tag=True):
    """So many, in so many seconds."""

    count: int
    seconds: float


class Paced(Struct, frozen=True, tag=True):
    """So many were done in so many seconds."""

    count: int
    seconds: float

    @property
    def rate(self) -> float:
        """Per second."""
        return self.count / self.seconds


class Worked(Struct, frozen=True, kw_only=True, tag=True):
    """What a worker did. Times are Unix seconds, so that those of several processes compare."""

    online: float
    """When it had connected, and began to fetch."""
    last: float
    """When its last task was acknowledged, to 2 ms."""
    completed: int
    cpu: float
    """Seconds of CPU of its process between the two."""
    late: tuple[float, ...] = ()
    """Seconds from dispatch to start, of tasks that note it."""


Answer: TypeAlias = Done | Counted | Paced | Worked
Word: TypeAlias = Ready | Online | Progress | Failed | Answer
"""All that a child can say."""
