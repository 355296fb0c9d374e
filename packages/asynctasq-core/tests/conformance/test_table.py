"""The table of drivers, from reports."""

from __future__ import annotations

from typing import Any

import pytest

from asynctasq.driver import Capabilities
from asynctasq.memory import MemoryDriver
from asynctasq.testing.report import capabilities, protocols
from asynctasq.testing.table import main, table

from .modest import ModestDriver


def report(driver: Any, **groups: Any) -> dict[str, Any]:
    facts = {
        "name": driver.name,
        "suite": "Test",
        "distribution": "a|b",
        "backend": None,
        "capabilities": capabilities(driver),
        "protocols": protocols(driver),
        "groups": groups,
    }
    return {"format": 1, "drivers": [facts]}


GOOD = {"passed": 3, "failed": [], "not_run": {"test_x": "needs cut_backend"}}
BAD = {"passed": 0, "failed": ["test_y"], "not_run": {}}


def row(text: str, name: str) -> list[str]:
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines()]
    return next(line for line in lines if line[0] in (name, f"`{name}`"))


def test_drivers_are_columns_and_capabilities_rows() -> None:
    text = table([report(ModestDriver, Settle=GOOD), report(MemoryDriver, Settle=GOOD, Stats=BAD)])
    assert text.splitlines()[0] == "|  | `memory` | `modest` |"
    assert row(text, "lease")[1:] == ["timed", "connection"]
    assert row(text, "max_delay")[1:] == ["any", "3600"]
    assert row(text, "retention")[1:] == ["never", "86400"]
    assert row(text, "atomic")[1:] == ["ack, dead_letter, release, retry", "ack, dead_letter"]
    assert row(text, "fifo")[1:] == ["yes", "no"]
    assert row(text, "ResultStore")[1:] == ["yes", "no"]
    assert row(text, "conformance")[1] == "3 passed, **1 failed**, 1 not run"
    assert row(text, "conformance")[2] == "3 passed, 1 not run"
    assert len(text.splitlines()) == 10 + len(Capabilities.__struct_fields__)


def test_the_order_of_the_reports_changes_nothing() -> None:
    reports = [report(MemoryDriver), report(ModestDriver)]
    assert table(reports) == table(reversed(reports))


def test_what_would_break_a_cell_is_escaped() -> None:
    assert "a&#124;b" in row(table([report(MemoryDriver)]), "distribution")


def test_without_reports_it_says_how_it_is_used() -> None:
    with pytest.raises(SystemExit, match="REPORT"):
        main([])
