"""One queue: its tasks, and two lines that say which comes next. Plain data, no locks, no waits."""

from __future__ import annotations

import itertools
from typing import get_args
from uuid import UUID

from msgspec import Struct

from asynctasq.driver import Delivery, Failure, Message, TaskState
from asynctasq.memory._line import Line

next_number = itertools.count(1).__next__
"""Larger with every call: places in listings, turns and receipts."""


class Task(Struct, eq=False, gc=False):
    """A message and what became of it so far."""

    message: Message
    attempt: int
    serial: int
    """Its place in listings."""
    enqueued_at: float
    state: TaskState = "scheduled"
    due: float = 0.0
    """Seconds of the backend's clock: when it is due; running: its lease ends; else: it expires."""
    was_due: float = 0.0
    turn: int = 0
    """Counts every move; 0 once it is removed."""
    deliveries: int = 0
    receipt: int = 0
    """Of the last hand-out; 0 once that was settled."""
    locked: bool = False
    """A transaction that has not ended acknowledges it."""
    failure: Failure | None = None
    finished_at: float | None = None


class Queue:
    """The tasks of a queue by id, a line of the due ones, and a line of all that time moves."""

    def __init__(self) -> None:
        self.tasks: dict[UUID, Task] = {}
        self.counts: dict[TaskState, int] = dict.fromkeys(get_args(TaskState), 0)
        self._due = Line()
        self._timers = Line()

    def add(self, message: Message, now: float, wall: float) -> None:
        """Store a message, unless its id is here already."""
        if message.id not in self.tasks:
            task = Task(message, message.attempt, next_number(), wall)
            task.deliveries = message.attempt - 1
            self.tasks[message.id] = task
            self.counts["scheduled"] += 1
            self.wait(task, now + message.delay, now)

    def wait(self, task: Task, due: float, now: float) -> None:
        """Let a task wait for its next hand-out: now, or when it is due."""
        self.move(task, "pending" if due <= now else "scheduled", due)

    def move(self, task: Task, state: TaskState, due: float) -> None:
        """The one place where a task changes its state."""
        self.counts[task.state] -= 1
        self.counts[state] += 1
        task.state, task.due, task.turn = state, due, next_number()
        line = self._due if state == "pending" else self._timers
        line.put(task)
        line.compact(2 * len(self.tasks) + 64)

    def remove(self, task: Task) -> None:
        """Forget a task altogether."""
        self.counts[task.state] -= 1
        task.turn = 0
        del self.tasks[task.message.id]

    def advance(self, now: float) -> list[Task]:
        """Let time pass: what is due, or lost its lease, is pending; returns what expired."""
        expired: list[Task] = []
        while (task := self._timers.first()) is not None and task.due <= now:
            if task.state in ("completed", "dead"):
                self.remove(task)
                expired.append(task)
            else:
                self.move(task, "pending", task.due)
        return expired

    def take(self, limit: int, now: float) -> list[Delivery]:
        """Hand out the tasks that are due longest: counted, leased and given a receipt at once."""
        taken: list[Delivery] = []
        while len(taken) < limit and (task := self._due.first()) is not None:
            message = task.message
            task.deliveries += 1
            task.receipt = next_number()
            task.was_due = task.due
            self.move(task, "running", now + message.visibility_timeout)
            taken.append(_delivery(task))
        return taken

    def held(self, delivery: Delivery) -> Task | None:
        """The task of a delivery, while its receipt is the last that was given out."""
        task = self.tasks.get(delivery.id)
        if task is None or task.receipt != delivery.receipt or task.locked:
            return None
        return task

    def lock(self, task: Task) -> None:
        """Let no time pass for a task: a transaction is about to acknowledge it."""
        task.locked = True
        self.move(task, "running", float("inf"))

    def unlock(self, task: Task, due: float) -> None:
        """The transaction has ended; its lease is, or was, until then."""
        task.locked = False
        self.move(task, "running", due)

    def is_locked(self, delivery: Delivery) -> bool:
        """Whether a transaction that has not ended acknowledges it."""
        task = self.tasks.get(delivery.id)
        return task is not None and task.locked and task.receipt == delivery.receipt

    def waiting(self) -> list[Task]:
        """Those that are pending or scheduled."""
        return [task for task in self.tasks.values() if task.state in ("pending", "scheduled")]

    def oldest_due(self) -> float | None:
        """When the first pending task became due."""
        task = self._due.first()
        return None if task is None else task.due

    def next_change(self) -> float | None:
        """When time will move a task next."""
        task = self._timers.first()
        return None if task is None else task.due


def _delivery(task: Task) -> Delivery:
    message = task.message
    return Delivery(
        id=message.id,
        queue=message.queue,
        body=message.body,
        attempt=task.attempt,
        visibility_timeout=message.visibility_timeout,
        headers=message.headers,
        deliveries=task.deliveries,
        receipt=task.receipt,
        lease=message.visibility_timeout,
    )
