"""The children of one size and kind: a thread for each, and the queue that they share."""

from __future__ import annotations

import queue

from asynctasq.processes._slot import Job, Slot


class Pool:
    """What one `initialize` has started."""

    def __init__(self, size: int, max_runs: int | None, modules: tuple[str, ...]) -> None:
        self.shape = (size, max_runs, modules)
        self.waiting = 0
        """How many wait until it is warm."""
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.slots = [Slot(self.jobs, modules, max_runs) for _ in range(size)]
        for slot in self.slots:
            slot.peers = self.slots
            slot.start()

    @property
    def is_warm(self) -> bool:
        return all(slot.ready.done() and slot.ready.exception() is None for slot in self.slots)

    @property
    def is_alive(self) -> bool:
        return any(slot.is_alive() for slot in self.slots)

    def retire(self) -> None:
        """Let it end once everything before this is done."""
        for _ in self.slots:
            self.jobs.put(None)

    def kill(self) -> None:
        for slot in self.slots:
            slot.kill()
