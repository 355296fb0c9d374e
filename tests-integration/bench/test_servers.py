"""A driver with a server: the memory driver behind a socket, as somebody else would publish it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import workspace

from .conftest import installed, run

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

SOURCES = workspace.ROOT / "packages" / "asynctasq-core" / "tests" / "conformance"
OPTIONS = """
import msgspec

class RemoteOptions(msgspec.Struct, frozen=True, kw_only=True):
    remote_url: str = "tcp://127.0.0.1:1"
"""
DRIVER = """
from urllib.parse import urlsplit
from far.remote import RemoteDriver

class Remote(RemoteDriver):
    def __init__(self, options, context):
        super().__init__(urlsplit(options.remote_url).port, context)
"""
FLOOR = """
import contextlib
from pathlib import Path
from far.remote_server import Server

CLIENT = ("asyncio",)
FLOORS = {}

class Counting(Server):
    def __init__(self, file):
        super().__init__()
        self.file = file

    async def _serve(self, connection):
        with self.file.open("ab") as file:
            file.write(b".")
        await super()._serve(connection)

@contextlib.contextmanager
def server(folder):
    with Counting(folder / "count") as running:
        yield f"tcp://127.0.0.1:{running.port}"

def options(folder, url):
    return {"remote_url": url}

def wanted(options):
    return {"round-trip": {"at_least": 0.001}}

async def commands(options):
    (file,) = Path.cwd().parent.glob("count")
    return file.stat().st_size
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What is installed."""
    folder = tmp_path / "site"
    (folder / "far").mkdir(parents=True)
    for name in ("remote.py", "remote_server.py"):
        shutil.copy(SOURCES / name, folder / "far" / name)
    (folder / "far" / "options.py").write_text(OPTIONS, encoding="utf-8")
    (folder / "far" / "driver.py").write_text(DRIVER, encoding="utf-8")
    return installed(folder, "remote", "far.driver:Remote", "far.options:RemoteOptions")


def test_it_is_measured_through_the_proxy_and_its_commands_are_counted(
    site: Path, tmp_path: Path
) -> None:
    floor = tmp_path / "remote.py"
    floor.write_text(FLOOR, encoding="utf-8")
    only = "noop-100,latency,waiting,round-trip,idle"
    words = ("--driver", "remote", "--floor", str(floor), "--only", only)
    ran = run(tmp_path, *words, path=(site,))
    assert ran.process.returncode == 0, ran.process.stdout + ran.process.stderr
    rows = ran.rows("remote")
    assert {row.state for row in rows.values()} == {"measured"}
    assert rows["round-trip"].floor
    assert rows["round-trip"].holds
    assert rows["noop-100-two"].ratio
    assert rows["idle-commands"].value is not None
    assert "tcp://" not in ran.text
