"""Schemas: brought up to date once, whoever asks and whoever dies on the way."""

from __future__ import annotations

import asyncio

import pytest

from asynctasq.driver import Ack, Context, Driver, Migrates
from asynctasq.testing._doomed import MANY, DoomedLoop
from asynctasq.testing._group import Group, needs
from asynctasq.testing._loops import each_on_its_own_loop
from asynctasq.testing._rig import NewDriver, Rig


@needs(Migrates, "empty_schema")
class Migrations(Group):
    """`Migrates`."""

    @pytest.fixture
    def fresh(self) -> Rig:
        """A rig on a schema of its own with nothing in it."""
        make: NewDriver = self.empty_schema()
        return Rig(make, self.lease, self.patience, self.quiet)

    @staticmethod
    def _migrating(driver: Driver) -> Migrates:
        assert isinstance(driver, Migrates), (
            "this driver has no migrations: set driver_class, and these tests are not collected"
        )
        return driver

    async def _works(self, rig: Rig) -> None:
        queue = rig.queue()
        async with rig.opened() as driver:
            await rig.put(driver, [rig.message(queue)])
            await driver.settle([Ack(await rig.one(driver, queue))])

    async def test_what_is_pending_is_shown_and_then_applied(self, fresh: Rig) -> None:
        driver = self._migrating(fresh.new())
        pending = await driver.pending_migrations()
        assert pending, "an empty schema needs at least one step"
        versions = [step.version for step in pending]
        assert versions == sorted(set(versions)), "steps are numbered, in their order"
        assert all(step.name and step.sql.strip() for step in pending), "with names and SQL"
        assert await driver.pending_migrations() == pending, "showing is not applying"
        assert await driver.migrate() == pending, "it returns what this call applied"
        assert await driver.pending_migrations() == (), "the schema is up to date"
        await self._works(fresh)

    async def test_a_second_time_nothing_is_applied(self, fresh: Rig) -> None:
        await self._migrating(fresh.new()).migrate()
        for _ in range(2):
            assert await self._migrating(fresh.new()).migrate() == ()

    async def test_concurrent_migrations_apply_each_step_once(self, fresh: Rig) -> None:
        pending = await self._migrating(fresh.new()).pending_migrations()

        async def migrate() -> list[int]:
            applied = await self._migrating(fresh.new()).migrate()
            return [step.version for step in applied]

        answers = await asyncio.gather(*(migrate() for _ in range(3)))
        answers += await each_on_its_own_loop([migrate] * 3)
        applied = [version for answer in answers for version in answer]
        assert sorted(applied) == [step.version for step in pending], "under a lock: once in all"
        await self._works(fresh)

    async def test_workers_go_on_while_it_runs(self, fresh: Rig) -> None:
        await self._migrating(fresh.new()).migrate()
        queue = fresh.queue()
        async with fresh.opened() as driver:
            await fresh.put(driver, [fresh.message(queue)])
            held = await fresh.one(driver, queue)
            async with asyncio.timeout(2 * self.patience):
                await self._migrating(fresh.new()).migrate()
                assert (await driver.settle([Ack(held)])).lost == ()

    def test_a_migration_that_died_is_finished_by_the_next(self) -> None:
        for after in range(MANY):
            make: NewDriver = self.empty_schema()
            loop, driver = DoomedLoop(), make(Context())
            died = loop.run_until_death(self._migrating(driver).migrate(), after)
            if died and self.kill is not None:
                self.kill(driver)
            rig = Rig(make, self.lease, self.patience, self.quiet)
            asyncio.run(self._finished(rig))
            loop.bury(driver)
            if not died:
                return

    async def _finished(self, rig: Rig) -> None:
        driver = self._migrating(rig.new())
        async with asyncio.timeout(4 * self.patience):
            await driver.migrate()
        assert await driver.pending_migrations() == (), "steps are applied whole, the rest by us"
        await self._works(rig)
