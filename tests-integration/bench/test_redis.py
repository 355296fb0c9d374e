"""The floor of the redis driver, on a server of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tools.backends import private
from tools.benchmarks import floors
from tools.benchmarks.children import ask
from tools.benchmarks.orders import Count, Counted, Paced, Step

pytestmark = pytest.mark.once

FILE = floors.find()["redis"]
FLOORS = floors.load(FILE).FLOORS
SCRIPT = "for i = 1, 5 do redis.call('INCR', KEYS[1]) end"


@pytest.fixture(scope="module")
def url(startable: None) -> Iterator[str]:
    with private("redis") as server:
        yield server.url


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_it_does_as_many_as_it_is_asked_for_and_leaves_nothing(
    url: str, name: str, tmp_path: Path
) -> None:
    step = Step(file=str(FILE), name=name, count=250, seconds=30)
    assert ask(step, {"redis_url": url}, tmp_path, Paced).count == 250
    with Redis.from_url(url) as client:
        assert client.dbsize() == 0


def test_one_that_runs_out_of_time_leaves_nothing(url: str, tmp_path: Path) -> None:
    step = Step(file=str(FILE), name="noop", count=1_000, seconds=0)
    assert ask(step, {"redis_url": url}, tmp_path, Paced).count == 100
    with Redis.from_url(url) as client:
        assert client.dbsize() == 0


def test_commands_are_what_clients_send_and_not_what_scripts_call(url: str, tmp_path: Path) -> None:
    order = Count(file=str(FILE), seconds=4.0)
    with Redis.from_url(url) as client:
        sender = threading.Thread(target=_send, args=(client,))
        sender.start()
        counted = ask(order, {"redis_url": url}, tmp_path, Counted)
        sender.join()
        client.flushall()
    assert counted.count == 3


def _send(client: Redis) -> None:
    """One script, and two commands in one write, once somebody listens."""
    client.ping()
    limit = time.monotonic() + 20
    while not any(each["cmd"] == "monitor" for each in client.client_list()):  # not itself heard
        assert time.monotonic() < limit
        time.sleep(0.02)
    time.sleep(1.0)  # who listens has begun to count
    client.eval(SCRIPT, 1, "number")
    with client.pipeline(transaction=False) as both:
        both.get("number")
        both.get("number")
        both.execute()
