"""From a task to the command that shows what happens to it, as users switch that on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import asynctasq
from asynctasq.worker import Worker

from .channel import Channel
from .servers.proxy import Proxy

pytestmark = pytest.mark.asyncio


@asynctasq.task(name="redis.events.halve", max_attempts=2, retry_delay=0)
async def halve(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


class Follower:
    """A running ``asynctasq events``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        assert process.stderr
        self._out, self._err = process.stdout, process.stderr

    async def listens(self) -> list[str]:
        """What it says until it follows."""
        said: list[str] = []
        while not said or not said[-1].startswith("following events of redis"):
            said.append(await _line(self._err))
        return said

    async def until(self, last: str) -> list[dict[str, Any]]:
        """What it shows, up to the first event of that name."""
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["event"] != last:
            seen.append(json.loads(await _line(self._out)))
        return seen


async def _line(stream: asyncio.StreamReader) -> str:
    line = await asyncio.wait_for(stream.readline(), 20)
    assert line, "it has ended"
    return line.decode()


@asynccontextmanager
async def following(channel: Channel, folder: Path) -> AsyncIterator[Follower]:
    words = ("events", "--json", "--redis-url", channel.url, "--events-channel", channel.name)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "asynctasq", *words, "--driver", "redis"),
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        follower = Follower(process)
        await follower.listens()
        yield follower
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest_asyncio.fixture
async def queue(
    channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """One of a program that tells events on Redis."""
    monkeypatch.chdir(tmp_path)
    switched_on: dict[str, Any] = {"enable_event_emitter_redis": True}
    where = {"redis_url": channel.url, "events_channel": channel.name}
    asynctasq.init({"driver": "redis", **where, **switched_on})
    yield channel.name.replace(":", "-")
    await asynctasq.close()


async def run(queue: str, number: int, runs: int) -> str:
    """Dispatch a task, and let a worker run it so often; its id."""
    handle = await halve(number).on_queue(queue).dispatch()
    async with asyncio.timeout(30):
        await Worker([queue], max_tasks=runs).run()
    return str(handle.id)


async def test_what_happens_to_a_task_is_seen_by_who_follows(
    channel: Channel, queue: str, tmp_path: Path
) -> None:
    async with following(channel, tmp_path) as follower:
        good = await run(queue, 2, 1)
        told = await follower.until("worker_offline")
        assert [event["event"] for event in told if event.get("id") == good] == [
            "task_enqueued",
            "task_started",
            "task_completed",
        ]
        assert {event["queue"] for event in told if "queue" in event} == {queue}
        bad = await run(queue, 3, 2)
        told = await follower.until("worker_offline")
    failed = [e["final"] for e in told if e.get("id") == bad and e["event"] == "task_failed"]
    assert failed == [False, True]


async def test_who_follows_is_told_of_a_lost_connection_and_goes_on(
    cuttable: tuple[Proxy, Channel], queue: str, tmp_path: Path
) -> None:
    between, there = cuttable
    async with following(there, tmp_path) as follower:
        await asyncio.to_thread(between.cut)
        await asyncio.to_thread(between.heal)
        assert "events are missed: the connection to Redis" in (await follower.listens())[0]
        id = await run(queue, 2, 1)
        assert id in {event.get("id") for event in await follower.until("task_completed")}
