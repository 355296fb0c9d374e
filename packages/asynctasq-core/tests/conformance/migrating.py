"""The memory driver with a schema to bring up to date."""

from __future__ import annotations

import asyncio

from asynctasq.driver import Context, Migration
from asynctasq.memory import MemoryDriver

STEPS = (
    Migration(1, "tables", "CREATE TABLE task_queue ()"),
    Migration(2, "leases", "ALTER TABLE task_queue ADD COLUMN locked_until TIMESTAMP"),
    Migration(3, "order", "CREATE INDEX task_queue_order ON task_queue (due_at)"),
)


class Schema:
    """What was applied, and who is at it."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.done: list[int] = []
        self.locked_by: object = None


class MigratingDriver(MemoryDriver):
    """``options`` is the schema. It is brought up to date by ``open`` too."""

    name = "migrating"

    def __init__(self, options: Schema, context: Context) -> None:
        super().__init__(None, context)
        self.schema = options

    async def open(self) -> None:
        await self.migrate()
        await super().open()

    async def pending_migrations(self) -> tuple[Migration, ...]:
        return tuple(step for step in STEPS if step.version not in self.schema.applied)

    async def migrate(self) -> tuple[Migration, ...]:
        while self.schema.locked_by is not None:
            await asyncio.sleep(0.001)
        self.schema.locked_by = self
        try:
            return await self._apply_pending()
        finally:
            self.end_of_session()

    async def _apply_pending(self) -> tuple[Migration, ...]:
        pending = await self.pending_migrations()
        for step in pending:
            await asyncio.sleep(0)
            self.schema.applied.append(step.version)
            await asyncio.sleep(0)
        return pending

    def end_of_session(self) -> None:
        """What a server does for a connection that ended: its lock is free."""
        if self.schema.locked_by is self:
            self.schema.locked_by = None
