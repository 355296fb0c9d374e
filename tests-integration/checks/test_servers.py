"""Servers are found where the environment or the default says: `tools/servers.py`."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tools import servers, workspace
from tools.servers import Server

from .conftest import Repository


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of something that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which nothing listens, and nobody else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_server_that_listens_has_no_problem(listening: int) -> None:
    assert Server("redis", f"redis://127.0.0.1:{listening}").problem() is None


def test_one_that_does_not_is_named_with_its_place_and_its_variable(silent: int) -> None:
    problem = Server("redis", f"redis://someone:secret@127.0.0.1:{silent}").problem()
    assert problem
    assert f"no redis at 127.0.0.1:{silent}" in problem
    assert "ASYNCTASQ_TEST_REDIS_URL" in problem
    assert "secret" not in problem


def test_one_that_nobody_placed_asks_for_its_variable() -> None:
    problem = servers.server("novelty", {}).problem()
    assert problem
    assert "set ASYNCTASQ_TEST_NOVELTY_URL" in problem


@pytest.mark.parametrize("name", ["mysql", "postgres", "rabbitmq", "redis"])
def test_standard_ports_are_known(name: str) -> None:
    assert servers.server(name, {}).url == servers.DEFAULTS[name]


def test_the_environment_says_where_it_is() -> None:
    assert servers.server("redis", {"ASYNCTASQ_TEST_REDIS_URL": "redis://x"}).url == "redis://x"


def test_tests_are_told_of_those_that_can_be_used(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, listening: int, silent: int
) -> None:
    packages = workspace.find(repository.root)
    monkeypatch.setenv("ASYNCTASQ_TEST_RED_URL", f"red://127.0.0.1:{silent}")
    assert servers.problems(packages).keys() == {"red"}
    assert servers.told(packages) == {}
    url = f"red://127.0.0.1:{listening}"
    monkeypatch.setenv("ASYNCTASQ_TEST_RED_URL", url)
    assert servers.told(packages) == {"ASYNCTASQ_TEST_RED_URL": url}
