"""The floor of the rabbitmq driver, on a broker of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.backends import Room, private
from tools.backends.recipes import RECIPES, Command, find
from tools.benchmarks import floors
from tools.benchmarks.children import ask
from tools.benchmarks.orders import Paced, Step
from tools.benchmarks.subjects import Subject

pytestmark = pytest.mark.once

FILE = floors.find()["rabbitmq"]
FLOOR: Any = floors.load(FILE)


@pytest.fixture(scope="module")
def broker(startable: None) -> Iterator[Room]:
    with private("rabbitmq") as room:
        yield room


def queues(room: Room) -> list[str]:
    program = find("rabbitmqctl", RECIPES["rabbitmq"].places) or "rabbitmqctl"
    words = (program, "--quiet", "list_queues", "--no-table-headers", "name")
    return room.run(Command(words), timeout=30).split()


@pytest.mark.parametrize("name", sorted(FLOOR.FLOORS))
def test_it_does_as_many_as_it_is_asked_for_and_leaves_nothing(
    broker: Room, name: str, tmp_path: Path
) -> None:
    step = Step(file=str(FILE), name=name, count=250, seconds=30)
    assert ask(step, {"rabbitmq_url": broker.url}, tmp_path, Paced).count == 250
    assert queues(broker) == []


def test_one_that_runs_out_of_time_leaves_nothing(broker: Room, tmp_path: Path) -> None:
    step = Step(file=str(FILE), name="noop", count=1_000, seconds=0)
    assert ask(step, {"rabbitmq_url": broker.url}, tmp_path, Paced).count == 100
    assert queues(broker) == []


def test_a_place_has_an_exchange_of_its_own_whichever_way_leads_there(tmp_path: Path) -> None:
    here, there, far = (
        FLOOR.options(tmp_path / folder, way)
        for folder, way in (("here", "amqp://near/"), ("there", "amqp://near/"), ("here", "far"))
    )
    assert here["rabbitmq_exchange_name"] != there["rabbitmq_exchange_name"]
    assert here["rabbitmq_exchange_name"] == far["rabbitmq_exchange_name"]
    assert (here["rabbitmq_url"], far["rabbitmq_url"]) == ("amqp://near/", "far")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({}, False),
        ({"result_driver": "sqlite"}, True),
        ({"result_driver": "sqlite", "store_results": "no"}, False),
    ],
)
def test_results_are_said_to_be_stored_only_where_something_stores_them(
    given: dict[str, str], stored: bool
) -> None:
    assert Subject("rabbitmq", given, Path()).results_stored is stored
