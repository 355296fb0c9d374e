"""A driver that somebody else publishes: installed beside the core, known, listed and used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Environment, build

pytestmark = pytest.mark.xdist_group("third party driver")  # they share costly environments

PROJECT = Path(__file__).parent / "third_party_driver"
DISPATCH = """
import asyncio
import asynctasq
from asynctasq.config import Config
from asynctasq.driver import Ack, Context
from asynctasq.plugins import driver_class

@asynctasq.task(queue="mail", name="greet")
async def greet(name: str) -> str:
    return name

async def main():
    asynctasq.init({"driver": "echo", "echo_greeting": "good morning"})
    handle = await greet("Ada").dispatch()
    driver = driver_class("echo")(Config.get().driver_options("echo"), Context())
    await driver.open()
    (delivery,) = await driver.dequeue(["mail"], limit=5, wait=1)
    assert str(delivery.id) == str(handle)
    assert not (await driver.settle([Ack(delivery)])).lost
    await driver.close()
    print(type(driver).__name__, driver.greeting)

asynctasq.run(main())
"""


CHOOSE = """
import sys
import asynctasq
from asynctasq.errors import AsyncTasQError

@asynctasq.task(name="greet")
async def greet(name: str) -> str:
    return name

try:
    asynctasq.init({"driver": sys.argv[1]})
    greet("Ada").dispatch_sync()
except AsyncTasQError as error:
    print(type(error).__name__, error)
"""
BROKEN = {
    "absent": ("from asynctasq.memory", "import no_such_client\nfrom asynctasq.memory"),
    "newer": ('name = "newer"', 'name = "newer"\n    api = (99, 0)'),
    "greedy": ("greedy_greeting", "echo_greeting"),
}
"""Drivers that cannot be used: which text of the good one, under their name, becomes which."""


def _broken(name: str, folder: Path) -> Path:
    """The project again under another name, with the text that breaks it."""
    for source in (file for file in PROJECT.rglob("*.*") if file.is_file()):
        target = folder / str(source.relative_to(PROJECT)).replace("echo", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8").replace("echo", name)
        target.write_text(text.replace(*BROKEN[name]), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The core, the driver that works, and beside it those that do not."""
    folder = tmp_path_factory.mktemp("third_party")
    projects = [PROJECT, *(_broken(name, folder / name) for name in BROKEN)]
    built = [build(project, folder / "wheels") for project in projects]
    core = next(wheels.glob("asynctasq_core-*.whl"))
    return Environment.with_(folder / "venv", core, *built)


@pytest.fixture(scope="session")
def listed(environment: Environment) -> dict[str, Any]:
    """What `asynctasq drivers --json` says of each, by name."""
    answer = environment.run("asynctasq", "drivers", "--json", cwd=environment.folder)
    assert answer.returncode == 0, answer.stderr
    return {driver["name"]: driver for driver in json.loads(answer.stdout)["drivers"]}


def test_it_is_listed_with_package_version_and_options(listed: dict[str, Any]) -> None:
    echo = listed["echo"]
    assert (echo["distribution"], echo["version"], echo["state"]) == ("echo-driver", "3.2.1", "ok")
    assert echo["options"] == ["echo_greeting", "echo_token"]


def test_people_see_it_too(environment: Environment) -> None:
    answer = environment.run("asynctasq", "drivers", cwd=environment.folder)
    (line,) = (line for line in answer.stdout.splitlines() if line.startswith("echo "))
    assert "echo-driver" in line
    assert "3.2.1" in line


def test_its_options_are_known_whichever_driver_is_chosen(
    environment: Environment, tmp_path: Path
) -> None:
    script = (
        "import asynctasq; from asynctasq.config import Config\n"
        'asynctasq.init({"driver": "memory", "echo_token": "hidden"})\n'
        "config = Config.get()\n"
        "print(config.echo_greeting, config.echo_token, config.echo_token.reveal())"
    )
    variables = {"ASYNCTASQ_ECHO_GREETING": "good evening"}
    answer = environment.run("python", "-c", script, cwd=tmp_path, **variables)
    assert answer.stdout == "good evening *** hidden\n", answer.stderr


def test_it_is_used_by_its_name(environment: Environment, tmp_path: Path) -> None:
    answer = environment.run("python", "-c", DISPATCH, cwd=tmp_path)
    assert answer.stdout == "EchoDriver good morning\n", answer.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("absent", ["No module named 'no_such_client'", "reinstall absent-driver"]),
        ("newer", ["api 99.0", "upgrade asynctasq-core"]),
        ("greedy", ["echo_greeting, which echo-driver has already", "uninstall greedy-driver"]),
    ],
)
def test_one_that_is_broken_is_listed_with_what_to_do_and_harms_no_other(
    listed: dict[str, Any], name: str, told: list[str]
) -> None:
    assert listed[name]["state"] == "problem"
    assert [text for text in told if text not in listed[name]["problem"]] == []
    assert listed["echo"]["state"] == listed["memory"]["state"] == "ok"


@pytest.mark.parametrize(
    ("name", "error"),
    [("absent", "DriverBroken"), ("newer", "DriverIncompatible"), ("greedy", "DriverBroken")],
)
def test_to_choose_one_that_is_broken_is_the_same_error(
    environment: Environment, listed: dict[str, Any], tmp_path: Path, name: str, error: str
) -> None:
    answer = environment.run("python", "-c", CHOOSE, name, cwd=tmp_path)
    assert answer.stdout == f"{error} {listed[name]['problem']}\n", answer.stderr
