"""Reports of the suite as one Markdown table: a column for each driver, a row for each promise.

``python -m asynctasq.testing.table report.json ... > table.md``
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from asynctasq.driver import Capabilities

Facts: TypeAlias = Mapping[str, Any]

PROTOCOLS: Final = (
    "TaskStore",
    "ResultStore",
    "Migrates",
    "JoinsTransaction",
    "SettlesInTransaction",
)


def table(reports: Iterable[Facts]) -> str:
    """The table of all drivers in the reports, by name. The same reports give the same text."""
    drivers = sorted(
        (driver for report in reports for driver in report["drivers"]),
        key=lambda driver: (driver["name"], driver["suite"]),
    )
    rows = [
        ["", *(f"`{driver['name']}`" for driver in drivers)],
        ["---"] * (len(drivers) + 1),
        ["distribution", *(driver["distribution"] or "" for driver in drivers)],
        ["tested on", *(str(driver["backend"] or "") for driver in drivers)],
    ]
    for name in Capabilities.__struct_fields__:
        rows.append([f"`{name}`", *(_capability(name, driver) for driver in drivers)])
    for name in PROTOCOLS:
        offered = (name in driver["protocols"] for driver in drivers)
        rows.append([f"`{name}`", *("yes" if each else "no" for each in offered)])
    rows.append(["conformance", *map(_result, drivers)])
    return "".join(_line(row) for row in rows)


def _capability(name: str, driver: Facts) -> str:
    match driver["capabilities"].get(name):
        case bool(value):
            return "yes" if value else "no"
        case None:
            return "never" if name == "retention" else "any"
        case int(value) | float(value):
            return f"{value:g}"
        case str(value):
            return value
        case names:
            return ", ".join(names) or "none"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _result(driver: Facts) -> str:
    groups = driver["groups"].values()
    passed = sum(group["passed"] for group in groups)
    failed = sum(len(group["failed"]) for group in groups)
    not_run = sum(len(group["not_run"]) for group in groups)
    parts = [f"{passed} passed", f"**{failed} failed**" * bool(failed)]
    return ", ".join(part for part in (*parts, f"{not_run} not run" * bool(not_run)) if part)


def main(arguments: Sequence[str]) -> None:
    """Print the table of the reports named."""
    if not arguments:
        raise SystemExit("usage: python -m asynctasq.testing.table REPORT.json ...")
    reports = [json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments]
    sys.stdout.write(table(reports))


if __name__ == "__main__":
    main(sys.argv[1:])
