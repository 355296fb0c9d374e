"""Floor files: every driver of ours brings one along, and one that has none is measured too."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from tools import workspace
from tools.benchmarks import floors
from tools.benchmarks.measurements import MEASUREMENTS

from .conftest import installed, run

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

FILES = floors.find()
ECHO = workspace.ROOT / "tests-integration" / "third_party_driver" / "src"
BROKEN = """
CLIENT = ()

async def stumble(options, count):
    "Fall over."
    yield 0
    raise LookupError("a stone on the way")

FLOORS = {"noop": stumble}

def options(folder, url):
    return {}

def wanted(options):
    return {"noop-100": {"at_least": 0.5}}
"""


def test_each_is_named_after_a_driver_of_its_package() -> None:
    for driver, file in FILES.items():
        assert driver in workspace.read(file.parent.parent).drivers


@pytest.mark.parametrize("driver", sorted(FILES))
def test_it_has_what_a_floor_file_has_and_names_rows_that_there_are(
    driver: str, tmp_path: Path
) -> None:
    floor = floors.load(FILES[driver])
    rows = {spec.name for each in MEASUREMENTS for spec in each.rows}
    given = floor.options(tmp_path, "redis://127.0.0.1:1/0")
    assert floors.wanted(floor, given).keys() <= rows
    assert floor.FLOORS.keys() <= {each.floor for each in MEASUREMENTS}
    assert all(inspect.getdoc(steps) for steps in floor.FLOORS.values())


def test_half_is_wanted_of_sqlite_where_it_waits_for_the_disk() -> None:
    floor = floors.load(FILES["sqlite"])
    normal = floors.wanted(floor, {"sqlite_synchronous": "normal"})["noop-100"].at_least
    full = floors.wanted(floor, {})["noop-100"].at_least
    assert normal is not None
    assert full == normal / 2


def test_a_driver_without_one_is_measured_and_has_no_ratio(tmp_path: Path) -> None:
    module, options = "echo_driver:EchoDriver", "echo_driver_options:EchoOptions"
    site = installed(tmp_path / "site", "echo", module, options)
    only = "dispatch-one,noop-100,round-trip,idle"
    asked = ("--driver", "echo", "--option", "echo_token=hidden", "--only", only)
    ran = run(tmp_path, *asked, path=(site, ECHO))
    assert ran.process.returncode == 0, ran.process.stderr
    rows = ran.rows("echo")
    for name in ("dispatch-one", "noop-100", "rss"):
        assert rows[name].value
        assert (rows[name].floor, rows[name].ratio, rows[name].wanted) == (None, None, None)
    assert "no floor known" in rows["noop-100"].note
    assert "no floor file" in rows["round-trip"].note
    assert ran.driver("echo").version == "1.0"
    assert "hidden" not in ran.text + ran.process.stdout


def test_what_fails_is_told_and_the_rest_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "memory.py"
    file.write_text(BROKEN, encoding="utf-8")
    words = ("--driver", "memory", "--floor", str(file), "--only", "dispatch-one,noop-100")
    ran = run(tmp_path, *words)
    rows = ran.rows("memory")
    assert ran.process.returncode == 1
    assert rows["dispatch-one"].state == "measured"
    assert rows["noop-100"].state == rows["cpu"].state == "failed"
    assert rows["noop-100"].note == "LookupError: a stone on the way"
    assert "LookupError: a stone on the way" in ran.process.stdout
    assert "failed: memory: noop-100" in ran.process.stderr
