"""Servers come up, answer, keep their data and leave nothing behind: `tools/services.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.backends import listing
from tools.backends.recipes import RECIPES
from tools.backends.room import load
from tools.workspace import ROOT

from .conftest import Repository

pytestmark = pytest.mark.once
PROGRAM = ROOT / "tools" / "services.py"


class Services:
    """The command line, with a folder for rooms of its own."""

    def __init__(self, folder: Path, path: str | None = None) -> None:
        self.folder = folder
        self.environment = {"PATH": path or os.environ["PATH"], "TMPDIR": str(folder)}

    def __call__(self, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one part of it."""
        command = [sys.executable, "-I", str(PROGRAM), *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=50, check=False
        )
        assert bool(done.returncode) is fails, done.stderr
        return done

    def rooms(self) -> list[dict[str, object]]:
        """What `status --json` tells of those that `up` started."""
        rows = json.loads(self("status", "--json").stdout)
        return [row for row in rows if row["origin"] == "private"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that servers may enter which run as another user: pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def services(folder: Path) -> Iterator[Services]:
    """A machine of which nothing is left at the end."""
    if missing := RECIPES["redis"].missing():
        pytest.skip(f"not installed: {', '.join(missing)}")
    services = Services(folder)
    yield services
    services("down")
    assert list(folder.iterdir()) == []


def test_a_private_server_is_told_of_and_found_again_and_goes(services: Services) -> None:
    assert services("up", "redis", "--private").stdout == "redis\n"
    (row,) = services.rooms()
    assert row["server"] == "redis"
    assert row["answers"] is True
    again = services("up", "redis", "--private")
    assert (again.stdout, again.stderr) == ("", f"redis: already at {row['url']}\n")
    assert services.rooms() == [row]
    services("down", "redis")
    assert not Path(f"/proc/{row['pid']}/cwd").exists()
    assert services.rooms() == []


def test_a_shell_can_evaluate_what_env_prints(services: Services) -> None:
    services("up", "redis", "--private")
    (row,) = services.rooms()
    line = f'eval "$({sys.executable} {PROGRAM} env)"; echo "$ASYNCTASQ_TEST_REDIS_URL"'
    done = subprocess.run(
        ["sh", "-c", line], env=services.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{row['url']}\n"


def test_one_that_answers_where_its_variable_says_is_used_and_left_alone(
    services: Services, tmp_path: Path
) -> None:
    services("up", "redis", "--private")
    (row,) = services.rooms()
    guest = Services(tmp_path)
    guest.environment["ASYNCTASQ_TEST_REDIS_URL"] = str(row["url"])
    assert guest("up", "redis").stdout == ""
    guest("down")
    assert guest.rooms() == []
    assert services.rooms() == [row]


@pytest.mark.parametrize("reused", [False, True], ids=["gone", "reused"])
def test_a_record_of_a_process_that_is_gone_ends_nobody(services: Services, reused: bool) -> None:
    services("up", "redis", "--private")
    (row,) = services.rooms()
    room = load(Path(str(row["folder"])))
    assert room
    room.kill()
    somebody = subprocess.Popen(["sleep", "50"], start_new_session=True)
    try:
        if reused:
            file = room.folder / "room.json"
            content = json.loads(file.read_text())
            content["process"] = [somebody.pid, 1]
            file.write_text(json.dumps(content))
        assert services.rooms()[0]["answers"] is False
        assert services("up", "redis", "--private").stdout == "redis\n"
        assert [row["answers"] for row in services.rooms()] == [True]
        services("down")
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()


def test_a_server_that_cannot_start_shows_the_end_of_its_log_and_leaves_nothing(
    folder: Path,
) -> None:
    stand_in = folder / "bin" / "redis-server"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\necho no memory for this >&2\nexit 3\n")
    stand_in.chmod(0o755)
    services = Services(folder, f"{stand_in.parent}:{os.environ['PATH']}")
    said = services("up", "redis", "--private", fails=True).stderr
    assert "redis ended while it started:\n    no memory for this" in said
    services("down")
    assert list(folder.iterdir()) == [stand_in.parent]


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs")
def test_what_is_missing_is_installed_where_that_is_allowed(folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    services = Services(folder, str(programs))
    assert (
        "redis needs redis-server: install"
        in services("up", "redis", "--private", fails=True).stderr
    )
    stand_in = programs / "apt-get"
    stand_in.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n'
        f"printf '#!/bin/sh\\necho installed >&2\\nexit 3\\n' > {programs}/redis-server\n"
        f"/bin/chmod 755 {programs}/redis-server\n"
    )
    stand_in.chmod(0o755)
    said = services("up", "redis", "--private", "--install", fails=True).stderr
    asked = (folder / "asked").read_text()
    assert asked == "-q update\n-q install -y --no-install-recommends redis-server\n"
    assert "redis ended while it started:\n    installed" in said
    services("down")


NOVELTY = """
from pathlib import Path
from tools import services
from tools.backends.recipes import RECIPES, Recipe
RECIPES["novelty"] = Recipe(
    ("noveltyd",), (), "novelty", "", lambda data: [], lambda data, port: None, unasked="noveltyd"
)
services.up([], private=True, install=True, installed=["novelty"])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs")
def test_what_only_tests_start_is_installed_and_nothing_of_it_runs(folder: Path) -> None:
    asked = folder / "asked"
    brings = f"printf '#!/bin/sh\n' > {folder}/noveltyd; /bin/chmod 755 {folder}/noveltyd"
    for name, more in (("apt-get", brings), ("service", "")):
        stand_in = folder / name
        stand_in.write_text(f'#!/bin/sh\necho {name} "$@" >> {asked}\n{more}\n')
        stand_in.chmod(0o755)
    for _ in range(2):  # the second time it is there
        subprocess.run(
            [sys.executable, "-c", NOVELTY],
            cwd=ROOT,
            env={"PATH": str(folder), "TMPDIR": str(folder)},
            timeout=50,
            check=True,
        )
    assert asked.read_text().splitlines() == [
        "apt-get -q update",
        "apt-get -q install -y --no-install-recommends novelty",
        "service noveltyd stop",
    ]


def test_a_package_names_what_it_needs_and_what_its_tests_start_themselves(
    repository: Repository,
) -> None:
    settings = 'server = "postgres"\nprivate = ["pgbouncer", "postgres"]'
    repository.add("asynctasq-sql", "asynctasq_drivers.sql", settings=settings)
    assert listing.wanted(repository.root) == ["postgres"]
    assert listing.started_by_tests(repository.root) == ["pgbouncer", "postgres"]


def test_an_unknown_server_is_refused_by_name(folder: Path) -> None:
    assert "unknown server 'oracle'" in Services(folder)("up", "oracle", fails=True).stderr


def test_what_a_killed_test_left_behind_goes_with_the_next_down(services: Services) -> None:
    script = (
        "import os, signal; from tools.backends import private\n"
        "with private('redis'): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=services.environment, check=False)
    rows = json.loads(services("status", "--json").stdout)
    (left,) = (row for row in rows if row["origin"] == "test")
    assert left["answers"] is True
    services("down", "postgres")
    assert not Path(str(left["folder"])).exists()
    assert not Path(f"/proc/{left['pid']}/cwd").exists()
