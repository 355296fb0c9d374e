"""The README is walked as it stands: every command shows what it says, also those of redis-cli."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import asynctasq
from asynctasq.config import Config
from asynctasq_drivers.redis._keys import QUEUES, keys_of
from tools import rooms, tour, workspace
from tools.backends import Room

from .channel import Channel, numbered
from .drivers import made
from .servers.own import server

PAGE = (workspace.ROOT / "packages/asynctasq-redis/README.md").read_text(encoding="utf-8")
SET_UP, RIGHTS, LOOK = (rooms.read(PAGE, room) for room in ("tour", "rights", "look"))
UNIX_TIME = re.compile(r"^\d{10}\.\d+$", re.MULTILINE)


@contextmanager
def shop(folder: Path) -> Iterator[tuple[Room, dict[str, str]]]:
    """The files of the page in a folder, and a server that stands at its standard port."""
    cli = shutil.which("redis-cli")
    if cli is None and os.environ.get("ASYNCTASQ_REQUIRE") != "all":
        pytest.skip("not installed: redis-cli")
    with server() as room:
        for name, text in tour.files(SET_UP).items():
            place = room.url.partition("://")[2]
            (folder / name).write_text(text.replace("localhost:6379", place), encoding="utf-8")
        programs = folder / "bin"
        programs.mkdir()
        (programs / "redis-cli").write_text(f'#!/bin/sh\nexec {cli} -p {room.port} "$@"\n')
        (programs / "redis-cli").chmod(0o755)
        ours = str(Path(sys.executable).parent)
        yield room, {"PATH": os.pathsep.join([str(programs), ours, os.environ["PATH"]])}


def likeness(text: str) -> str:
    return tour.likeness(UNIX_TIME.sub("TIME", text))


@pytest.mark.concurrent
@pytest.mark.timeout(180)  # two dozen programs, on a machine that may be busy
def test_every_command_shows_what_the_page_says(tmp_path: Path) -> None:
    steps = [*tour.steps(SET_UP), *tour.steps(RIGHTS), *tour.steps(LOOK)]
    assert len(steps) > 20
    with shop(tmp_path) as (_, environment):
        shown = tour.walk([step.command for step in steps], tmp_path, environment, 150)
    for step, found in zip(steps, shown, strict=True):
        assert likeness(found) == likeness(step.shown), step.command


def test_every_key_is_in_the_table_of_keys() -> None:
    keys = [*keys_of("mail").all, keys_of("mail").results + "<id>", QUEUES]
    assert sorted(re.findall(r"^\| `([^`]*queue[^`]*)` \|", PAGE, re.MULTILINE)) == sorted(keys)


@pytest.mark.asyncio
async def test_the_programs_of_events_do_what_the_page_says(
    channel: Channel, redis_server: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    events = PAGE.partition("\n## Events\n")[2].partition("\n## ")[0]
    switch, follow = re.findall(r"^```python\n(.*?)^```", events, re.MULTILINE | re.DOTALL)
    place = redis_server.url.partition("://")[2]
    names: dict[str, Any] = {"asynctasq": asynctasq}
    exec(switch.replace("localhost:6379", place), names)
    assert Config.get().enable_event_emitter_redis
    program = follow.replace("localhost:6379", place).replace("asynctasq:events", channel.name)
    exec(program, names)
    following = asyncio.ensure_future(names["follow_for_ever"]())
    async with asyncio.timeout(20):
        while "is dead" not in capsys.readouterr().out:
            await channel.emitter().emit(numbered(1))
            await asyncio.sleep(0.05)
    following.cancel()
    await asyncio.wait((following,))
    await asynctasq.close()


@pytest.mark.parametrize("url", re.findall(r"^\| `([a-z+]+://\S+)` \|", PAGE, re.MULTILINE))
def test_every_url_of_the_page_leads_somewhere(url: str) -> None:
    made(url)
