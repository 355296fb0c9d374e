"""The README is walked as it stands: every command shows what it says; names and URLs are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asynctasq_drivers.rabbitmq import _messages
from tools import tour
from tools.backends import Room

from .drivers import made, opened, works
from .page import LOOK, PAGE, RIGHTS, TOUR, reader
from .servers.own import queue_info, server

WHERE = PAGE.partition("\n## What is where\n")[2].partition("\n## ")[0]


def likeness(text: str) -> str:
    """Whether an age is told in seconds or in minutes depends on how fast the machine is."""
    return tour.likeness(re.sub(r"\b\d+ min\b", "0 s", text))


def firsts(head: str) -> set[str]:
    """What stands in the first column of the table that begins so."""
    table = WHERE.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")]
    return {name for row in rows for name in re.findall("`([^`]+)`", row)}


@pytest.mark.once
@pytest.mark.timeout(180)
def test_every_command_shows_what_the_page_says(tmp_path: Path) -> None:
    parts = [tour.steps(part) for part in (TOUR, RIGHTS, LOOK)]
    assert sum(map(len, parts)) > 20
    with server() as room:
        somebody = reader(room, tmp_path)
        for steps in parts:
            shown = [*map(likeness, somebody.walk(steps))]
            for step, found in zip(steps, shown, strict=True):
                assert found == likeness(step.shown), step.command


def test_every_file_of_the_tour_is_used_there() -> None:
    commands = " ".join(step.command for step in tour.steps(TOUR))
    for name in tour.files(TOUR):
        assert name in (".env",) or name in commands


@pytest.mark.asyncio
async def test_every_queue_and_argument_is_in_the_tables_of_the_page(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with opened(vhost) as driver:
        await works(driver)
    there = queue_info(rabbitmq_server, vhost.rpartition("/")[2])
    told = firsts("name")
    assert {name for name in there if "/noted/" not in name} <= told
    arguments = {argument for queue in there.values() for argument in queue["arguments"]}
    assert arguments - {"x-expires"} == firsts("argument")


def test_every_header_is_in_the_tables_of_the_page() -> None:
    headers = {
        value
        for value in vars(_messages).values()
        if isinstance(value, str) and value.startswith("x-asynctasq-")
    }
    assert headers == {name for name in firsts("of a message") if name.startswith("x-")}


@pytest.mark.parametrize("url", re.findall(r"^\| `(amqps?://[^`]+)` \|", PAGE, re.MULTILINE))
def test_every_url_of_the_page_is_accepted(url: str) -> None:
    made(url)
