"""``asynctasq events``: what one process tells another sees, by whatever carries it."""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from asynctasq.events import WorkerOnline, encode_events

from .conftest import Shop

SITE = Path(__file__).parent / "site"


class Follower:
    """A running ``asynctasq events``, and its lines as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out = _lines(process.stdout)
        self.err = _lines(process.stderr)

    def until(self, wanted: Callable[[str], Any], lines: queue.Queue[str]) -> list[str]:
        """The lines up to the first that is wanted."""
        seen: list[str] = []
        while not seen or not wanted(seen[-1]):
            seen.append(lines.get(timeout=20))
        return seen

    def listens(self) -> None:
        """Return once it follows."""
        self.until(lambda line: line.startswith("following events of wire"), self.err)

    def events(self, last: str) -> list[dict[str, Any]]:
        """What it shows in JSON, up to the first event of that name."""
        lines = self.until(lambda line: json.loads(line)["event"] == last, self.out)
        return [json.loads(line) for line in lines]


def _lines(stream: IO[str] | None) -> queue.Queue[str]:
    came: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream or ():
            came.put(line)

    threading.Thread(target=read, daemon=True).start()
    return came


@contextmanager
def following(shop: Shop, *words: str) -> Iterator[Follower]:
    with subprocess.Popen(
        [sys.executable, "-m", "asynctasq", "events", "--from", "wire", *words],
        cwd=shop.folder,
        env=shop.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            follower = Follower(process)
            follower.listens()
            yield follower
        finally:
            process.kill()  # where it has not ended by itself


@pytest.fixture
def wired(shop: Shop) -> Shop:
    """A shop whose events are told on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shop.environment |= {
        "PYTHONPATH": str(SITE),
        "ASYNCTASQ_WIRE_PORT": str(port),
        "ASYNCTASQ_ENABLE_EVENT_EMITTER_WIRE": "true",
    }
    return shop


def send(shop: Shop, data: bytes) -> None:
    """Tell something by hand."""

    async def connect() -> None:
        port = int(shop.environment["ASYNCTASQ_WIRE_PORT"])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.close()
        await writer.wait_closed()

    asyncio.run(connect())


def test_events_of_programs_and_workers_are_followed_live(wired: Shop) -> None:
    with following(wired, "--json") as follower:
        (good, bad) = wired.dispatch("shop.welcome(1)", "shop.welcome(3).correlation_id('c-1')")
        wired.work("mail", 3)
        told = follower.events("worker_offline")
    by_task = {id: [e["event"] for e in told if e.get("id") == id] for id in (good, bad)}
    assert by_task[good] == ["task_enqueued", "task_started", "task_completed"]
    assert by_task[bad] == [
        "task_enqueued",
        "task_started",
        "task_failed",
        "task_reenqueued",
        "task_started",
        "task_failed",
    ]
    failed = [event for event in told if event["event"] == "task_failed"]
    assert [event["final"] for event in failed] == [False, True]
    assert {event["correlation_id"] for event in failed} == {"c-1"}
    (offline,) = [event for event in told if event["event"] == "worker_offline"]
    assert (offline["completed"], offline["failed"], offline["queues"]) == (1, 2, ["mail"])


def test_lines_for_people_hold_nothing_that_a_terminal_acts_on(wired: Shop) -> None:
    with following(wired) as follower:
        wired.dispatch("shop.welcome(3)")
        wired.work("mail", 2)
        lines = follower.until(lambda line: "worker_offline" in line, follower.out)
    assert all(line.rstrip("\n").isprintable() for line in lines)
    (dead,) = [line for line in lines if "task_failed" in line and "dead" in line]
    assert r"ValueError: [red]no user[/red] 3 :boom: \x1b]0;title\x07 forged line" in dead


def test_only_some_events_are_shown_where_that_is_asked_for(wired: Shop) -> None:
    words = ("--event", "task_enqueued", "--event", "worker_offline", "--queue", "mail")
    with following(wired, "--json", *words) as follower:
        wired.dispatch("shop.report('monday')", "shop.welcome(1)")
        wired.work("mail", 1)
        shown = [event["event"] for event in follower.events("worker_offline")]
    assert shown == ["task_enqueued", "worker_offline"]


def test_another_channel_is_not_seen(wired: Shop) -> None:
    with following(wired, "--json", "--events-channel", "other") as follower:
        wired.dispatch("shop.welcome(1)")
        wired.environment["ASYNCTASQ_EVENTS_CHANNEL"] = "other"
        (id,) = wired.dispatch("shop.welcome(2)")
        assert [event["id"] for event in follower.events("task_enqueued")] == [id]


def test_a_lost_connection_is_told_and_had_again(wired: Shop) -> None:
    with following(wired, "--json") as follower:
        send(wired, b"cut\n")
        told = follower.until(lambda line: "following" in line, follower.err)
        assert told[0] == "asynctasq: events are missed: the wire was cut\n"
        wired.dispatch("shop.welcome(1)")
        assert len(follower.events("task_enqueued")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_how_it_ends(wired: Shop, number: signal.Signals) -> None:
    with following(wired) as follower:
        follower.process.send_signal(number)
        assert follower.process.wait(20) == 0
        assert not follower.err.queue


def test_a_connection_that_cannot_be_had_at_first_is_an_error(wired: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = wired.run("events", "--from", "wire", "--wire-port", str(taken.getsockname()[1]))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("cannot be had\n")
    assert ran.stderr.count("\n") == 1


def test_an_event_of_no_day_and_bytes_that_are_no_batch_end_nothing(wired: Shop) -> None:
    with following(wired) as follower:
        odd = WorkerOnline(at=1e300, worker="w", queues=("mail",), concurrency=1)
        send(wired, b"asynctasq:events\n" + encode_events([odd]))
        send(wired, b"asynctasq:events\n\xc1")
        wired.dispatch("shop.welcome(1)")
        lines = follower.until(lambda line: "task_enqueued" in line, follower.out)
    assert lines[0].startswith("??:??:??.???  worker_online")
