"""Workers as processes of their own, killed at any moment: each task ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from asynctasq.driver import Message
from tools.backends import Room
from tools.driver_tests.killed import (
    SECONDS,
    Attempt,
    Crew,
    seeded,
    sent_while_workers_are_killed,
)
from tools.driver_tests.note import body
from tools.driver_tests.waiting import until

from .drivers import RABBITMQ, opened
from .servers.own import is_empty, wait_for

NOTING = """
from asynctasq.driver import Ack
from asynctasq_drivers.rabbitmq import RabbitmqDriver

settle = RabbitmqDriver.settle

async def noted(driver, outcomes):
    copied = [each.delivery for each in outcomes if not isinstance(each, Ack)]
    for each in copied:
        write("copies", each)
    settled = await settle(driver, outcomes)
    for each in copied:
        write("copied", each)
    return settled

RabbitmqDriver.settle = noted
"""
TASKS = 480
KILLS = 6


def has_reason(crew: Crew, run: Attempt) -> bool:
    """Its process was killed; or one was between the two halves of a retry or a release of it,
    or of the attempt before: then there may be two copies."""
    started, done = Counter[int](), Counter[int]()
    for each in (run._replace(number=run.number - 1), run):
        started.update(crew.runs("copies").get(each, ()))
        done.update(crew.runs("copied").get(each, ()))
    torn = crew.killed & (started - done).keys()
    return crew.killed.issuperset(crew.runs()[run][:-1]) or bool(torn)


def messages() -> dict[Attempt, Message]:
    """By the attempt that is to be the last: one in five fails once."""
    made: dict[Attempt, Message] = {}
    for number in range(TASKS):
        fails = int(number % 5 == 0)
        content = body(fails, SECONDS, store_result=False)
        sent = Message(queue="mail", body=content, visibility_timeout=60.0)
        made[Attempt(sent.id, fails + 1)] = sent
    return made


@pytest.mark.once
@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_tasks_end_however_often_workers_are_killed_and_each_further_run_has_a_reason(
    tmp_path: Path, rabbitmq_server: Room, vhost: str
) -> None:
    sent = messages()
    async with opened(vhost) as driver:
        crew = Crew(RABBITMQ.settings(vhost), tmp_path, before=NOTING, quiet=True)
        try:
            await sent_while_workers_are_killed(driver, crew, seeded(), [*sent.values()], KILLS)
            await until(lambda: sent.keys() <= crew.runs().keys(), "each has run to its end", 40)
            await none_is_left(rabbitmq_server, vhost)
            await asyncio.to_thread(crew.stop)
        finally:
            crew.end()
        await none_is_left(rabbitmq_server, vhost)
    runs = crew.runs()
    assert {run.id for run in runs} == {message.id for message in sent.values()}
    again = {run: pids for run, pids in runs.items() if len(pids) > 1}
    print(f"{len(again)} attempts of {TASKS} tasks were begun again after {KILLS} kills")
    assert again, "no kill has struck"
    without = [pids for run, pids in again.items() if not has_reason(crew, run)]
    assert not without, "begun again although its process lived"


async def none_is_left(room: Room, url: str) -> None:
    """Nor does anybody hold anything; what comes back from who was killed is run again first."""
    empty = partial(is_empty, room, url, "mail", "mail/dead")
    await asyncio.to_thread(wait_for, empty, "none is left", 30)
