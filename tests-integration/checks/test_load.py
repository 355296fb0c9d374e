"""The account that is kept of tasks under load sees what a driver loses, leaves or does twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Outcome, Release, Retry, Secret
from asynctasq_drivers.sqlite import SqliteDriver, SqliteOptions
from tools.driver_tests import load
from tools.driver_tests.load import Load, Plan, Sort, under_load
from tools.driver_tests.subject import Subject
from tools.driver_tests.waiting import until

pytestmark = [pytest.mark.asyncio, pytest.mark.once]

Loaded = AbstractAsyncContextManager[Load[SqliteDriver]]
FAILURE = Failure("Error", "")
PLAN = Plan((Sort(), Sort(fails=1), Sort(delay=0.2)), pause=0.02, workers=1, patience=4.0)
"""In which half a minute is not waited for what is not to come."""


def options(sqlite_path: Secret) -> SqliteOptions:
    return SqliteOptions(sqlite_path=sqlite_path.reveal(), sqlite_synchronous="normal")


class Forgetting:
    """No `ResultStore`: as of a broker, of which only the workers can tell."""


@pytest.fixture(params=["results", "no results"], autouse=True)
def _kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no results":
        monkeypatch.setattr(load, "ResultStore", Forgetting)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    sqlite = Subject(SqliteDriver, options, "path")
    return under_load(sqlite, str(tmp_path / "tasks.db"), PLAN)


def spoil(monkeypatch: pytest.MonkeyPatch, verb: str, spoilt: Callable[[list[Any]], Any]) -> None:
    """From now on, what that verb of every driver is given is not what it should be."""
    plain = getattr(SqliteDriver, verb)

    async def other(driver: SqliteDriver, given: Sequence[Any]) -> Any:
        return await plain(driver, spoilt(list(given)))

    monkeypatch.setattr(SqliteDriver, verb, other)


async def test_a_driver_that_keeps_its_promises_passes(
    loaded: Loaded,
) -> None:
    async with loaded as under_way:
        assert await under_way.goes_on(6) > 0
        await under_way.ends()
    assert len(under_way.confirmed) > 40
    assert under_way.run_again() == {}
    assert under_way.told == []


async def test_tasks_that_outlast_a_block_have_begun_before_and_end_after_it(
    loaded: Loaded,
) -> None:
    async with loaded as under_way:
        async with under_way.outlasting(3) as long:
            await under_way.goes_on(6)
            found = [await under_way.driver.get(m.ref) for m, _ in long]
            assert [task.state for task in found if task] == ["running"] * 3
        await under_way.ends()
    assert under_way.run_again() == {}


async def test_what_is_confirmed_and_not_stored_is_missed(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with loaded as under_way:
        spoil(monkeypatch, "enqueue", lambda messages: messages[:-1])
        known = len(under_way.confirmed)
        await until(lambda: len(under_way.confirmed) > known + 10, "producing goes on")
        with pytest.raises(AssertionError, match=r"lost, or has not ended|all has run"):
            await under_way.ends()


@pytest.mark.parametrize(
    "instead", [Release, lambda delivery: Retry(delivery, 0.0, FAILURE)], ids=["again", "too often"]
)
async def test_a_run_without_need_is_told(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, instead: Callable[[Delivery], Outcome]
) -> None:
    returned: set[UUID] = set()

    def spoilt(outcomes: list[Outcome]) -> list[Outcome]:
        """The first acknowledgement is none."""
        if returned or not isinstance(outcomes[0], Ack):
            return outcomes
        returned.add(outcomes[0].delivery.id)
        return [instead(outcomes[0].delivery), *outcomes[1:]]

    async with loaded as under_way:
        spoil(monkeypatch, "settle", spoilt)
        await under_way.goes_on(6)
        await under_way.ends()
    assert under_way.run_again().keys() == returned


async def test_what_is_left_is_told(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(outcomes: list[Outcome]) -> list[Outcome]:
        """No acknowledgement is one."""
        buried = partial(DeadLetter, failure=FAILURE)
        return [buried(each.delivery) if isinstance(each, Ack) else each for each in outcomes]

    async with loaded as under_way:
        await under_way.goes_on(6)
        spoil(monkeypatch, "settle", spoilt)
        await under_way.goes_on(6)
        with pytest.raises(AssertionError, match=r"dead|lost, or has not ended"):
            await under_way.ends()
