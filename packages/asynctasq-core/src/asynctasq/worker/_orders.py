"""What a worker was told to do."""

from __future__ import annotations

from msgspec import Struct


class Orders(Struct, frozen=True, kw_only=True):
    """What a worker was told to do."""

    name: str
    queues: tuple[str, ...]
    concurrency: int
    fair: bool
    max_tasks: int | None
    stuck_after: float | None
