"""What the groups about single tasks share."""

from __future__ import annotations

import pytest

from asynctasq.driver import DeadLetter, Driver, TaskRef, TaskState, TaskStore
from asynctasq.errors import Unsupported
from asynctasq.testing._group import Group
from asynctasq.testing._outcomes import FAILURE
from asynctasq.testing._rig import Rig


class TaskGroup(Group):
    """A driver that looks at tasks; which states it can look at is what `list` supports."""

    @pytest.fixture
    def tasks(self, driver: Driver) -> TaskStore:
        """The open driver, as what looks at single tasks."""
        assert isinstance(driver, TaskStore), (
            "this driver is no TaskStore: set driver_class, and these tests are not collected"
        )
        return driver

    @staticmethod
    async def _shows(tasks: TaskStore, state: TaskState, queue: str) -> bool:
        """Whether the backend can look at tasks of a state. Every store can look at dead ones."""
        try:
            await tasks.list(state, queue, 1)
        except Unsupported:
            assert state != "dead", "a TaskStore shows dead tasks, whatever else it cannot"
            return False
        return True

    @staticmethod
    async def _bury(rig: Rig, driver: Driver, queue: str, count: int) -> list[TaskRef]:
        """Tasks that failed for good."""
        await rig.put(driver, rig.messages(queue, count))
        held = await rig.take(driver, queue, count)
        await driver.settle([DeadLetter(delivery, FAILURE) for delivery in held])
        return [delivery.ref for delivery in held]

    @staticmethod
    async def _all(
        tasks: TaskStore, state: TaskState, queue: str | None, limit: int
    ) -> list[TaskRef]:
        """A listing, page by page."""
        refs: list[TaskRef] = []
        cursor: str | None = None
        for _ in range(10_000):
            page = await tasks.list(state, queue, limit, cursor)
            assert len(page.tasks) <= limit, f"limit={limit} gave {len(page.tasks)}"
            assert all(task.state == state for task in page.tasks), f"asked for {state} alone"
            refs += [task.ref for task in page.tasks]
            if (cursor := page.cursor) is None:
                return refs
        raise AssertionError("a listing has no end")
