"""A run measures all of every driver, beside its floor, and tells it in three ways."""

from __future__ import annotations

import socket
import tempfile
from statistics import median
from xml.etree import ElementTree

import pytest

from tools import workspace
from tools.benchmarks.chart import reached
from tools.benchmarks.measurements import MEASUREMENTS
from tools.benchmarks.results import Wanted

from .conftest import Ran

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("bench"),  # they share one run
]

NOT_OF_ANY = {"round-trip", "idle-commands"}
NOT_APPLICABLE = {
    "memory": NOT_OF_ANY | {"noop-10-two", "noop-100-two", "noop-1000-two"},
    "sqlite": NOT_OF_ANY,
}
WITH_FLOOR_FILE = {"dispatch-one", "dispatch-many", "noop-10", "noop-100", "noop-1000"}


@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_every_row_is_measured_or_says_why_not(ran: Ran, driver: str) -> None:
    assert ran.process.returncode == 0, ran.process.stderr
    rows = ran.rows(driver)
    assert list(rows) == [spec.name for each in MEASUREMENTS for spec in each.rows]
    assert {n for n, row in rows.items() if row.state != "measured"} == NOT_APPLICABLE[driver]
    for name, row in rows.items():
        if name in NOT_APPLICABLE[driver]:
            assert (row.state, row.value, row.holds) == ("not applicable", None, None)
            assert row.note
        else:
            assert row.value is not None
            assert row.value > 0 or (name == "idle-cpu" and row.value == 0)


@pytest.mark.parametrize("driver", ["memory", "sqlite"])
def test_a_ratio_is_the_measured_by_its_floor_and_holds_if_it_is_as_wanted(
    ran: Ran, driver: str
) -> None:
    for row in ran.driver(driver).rows:
        assert (row.ratio is None) == (row.floor is None)
        if row.value is not None:
            assert row.value == median(run.value for run in row.runs)
        if row.value is not None and row.floor is not None:
            assert row.floor > 0
            assert row.floor_is
            assert row.floor == median(run.floor for run in row.runs if run.floor)
            ratios = [run.value / run.floor for run in row.runs if run.floor]
            assert row.ratio == pytest.approx(median(ratios))
        if row.value is not None and row.wanted is not None:
            assert row.holds == row.wanted.holds(row.value, row.floor, row.ratio)


def test_floors_are_measured_in_the_same_run(ran: Ran) -> None:
    found = {name for name, row in ran.rows("sqlite").items() if row.floor is not None}
    assert found >= WITH_FLOOR_FILE
    assert ran.rows("memory")["noop-100"].floor is not None
    assert ran.rows("memory")["dispatch-one"].floor is None
    assert "no floor known" in ran.rows("memory")["dispatch-one"].note


def test_options_are_told_of_the_driver_whose_they_are(ran: Ran) -> None:
    assert ran.driver("sqlite").options == {"sqlite_synchronous": "normal"}
    assert ran.driver("memory").options == {}
    assert ran.driver("sqlite").results_stored


def test_the_machine_is_described_and_not_named(ran: Ran) -> None:
    assert ran.report.machine.cpus >= 1
    assert "asynctasq-core" in ran.report.machine.versions
    for secret in (socket.gethostname(), str(workspace.ROOT), tempfile.gettempdir()):
        assert secret not in ran.text


def test_the_table_is_markdown_with_a_line_for_each_row(ran: Ran) -> None:
    lines = [line for line in ran.process.stdout.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {8}
    names = [line.split("|")[1].strip() for line in lines]
    for each in ran.report.drivers:
        for row in each.rows:
            assert names.count(row.name) == len(ran.report.drivers)


def test_the_chart_has_a_bar_for_each_row_of_which_something_is_wanted(ran: Ran) -> None:
    root = ElementTree.fromstring(ran.chart)
    bars = root.findall("{http://www.w3.org/2000/svg}rect")[1:]
    rows = [row for each in ran.report.drivers for row in each.rows]
    assert len(bars) == sum(reached(row) is not None for row in rows)
    assert len(bars) > 10
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {row.title for row in rows if reached(row) is not None} <= texts


def test_progress_goes_to_standard_error(ran: Ran) -> None:
    assert "sqlite, run 1 of 1: latency" in ran.process.stderr.splitlines()


@pytest.mark.parametrize(
    ("wanted", "value", "floor", "holds"),
    [
        (Wanted(at_least=0.5), 50, 100, True),
        (Wanted(at_least=0.5), 49, 100, False),
        (Wanted(at_least=0.5), 49, None, None),
        (Wanted(at_most=1.2), 120, 100, True),
        (Wanted(at_most=1.2), 121, 100, False),
        (Wanted(limit=4), 4, None, True),
        (Wanted(limit=4), 5, None, False),
        (Wanted(above=20), 40, 20, True),
        (Wanted(above=20), 41, 20, False),
        (Wanted(above=20), 41, None, None),
        (Wanted(at_least=0.5, limit=60), 70, 100, False),
        (Wanted(about=7000), 1, 100, None),
    ],
)
def test_what_is_wanted_holds_or_not(
    wanted: Wanted, value: float, floor: float | None, holds: bool | None
) -> None:
    assert wanted.holds(value, floor, value / floor if floor else None) is holds
