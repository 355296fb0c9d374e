"""The report as Markdown tables, which are read on a terminal as well as in a page."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.benchmarks.results import DriverReport, Report, Row, Wanted

_WIDE = 200
_STYLES = {"yes": "green", "NO": "bold red", "FAILED": "bold red"}


def show(report: Report, console: Console) -> None:
    """Print it. Where it goes to a file nothing is wrapped."""
    if not console.is_terminal:
        console = Console(width=_WIDE, file=console.file)
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    for line in (
        f"{machine.cpus} CPUs, {machine.system} {machine.architecture}, {machine.python}, "
        f"{machine.loop}; {versions}",
        f"size: {_size(report)}; medians of {report.repeat}",
    ):
        console.print(line, highlight=False)
    for driver in report.drivers:
        _show(driver, console)


def _show(driver: DriverReport, console: Console) -> None:
    options = "".join(f", {name}={value}" for name, value in driver.options.items())
    stored = "stored" if driver.results_stored else "not stored"
    console.print(f"\n{driver.driver}{options}: results {stored}\n", highlight=False, style="bold")
    table = Table(box=box.MARKDOWN)
    table.add_column("row")
    table.add_column("what")
    for name in ("measured", "floor", "ratio", "wanted"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("holds")
    for row in driver.rows:
        verdict = holds(row)
        table.add_row(*cells(row), Text(verdict, style=_STYLES.get(verdict, "")))
    with console.capture() as drawn:
        console.print(table)
    console.file.write(drawn.get().strip("\n ") + "\n\n")  # rich draws the edges of its boxes too
    for line in notes(driver):
        console.print(line, highlight=False, markup=False)


def cells(row: Row) -> tuple[str, ...]:
    """What stands in the line of a row, but for the verdict."""
    measured = "" if row.value is None else f"{number(row.value)} {row.unit}"
    floor = "" if row.floor is None else number(row.floor)
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    return row.name, row.title, measured, floor, ratio, wanted(row.wanted, row.unit)


def _size(report: Report) -> str:
    return report.size if report.size == "full" else f"{report.size}, too few tasks to judge by"


def holds(row: Row) -> str:
    """The verdict."""
    if row.state != "measured":
        return "FAILED" if row.state == "failed" else "n/a"
    return "" if row.holds is None else "yes" if row.holds else "NO"


def wanted(asked: Wanted | None, unit: str) -> str:
    """In few signs."""
    if asked is None:
        return ""
    parts = (
        ("ratio ≥ {}", asked.at_least),
        ("ratio ≤ {}", asked.at_most),
        (f"≤ {{}} {unit}", asked.limit),
        (f"≤ floor + {{}} {unit}", asked.above),
        ("(about {})", asked.about),
    )
    return " ".join(text.format(number(value)) for text, value in parts if value is not None)


def number(value: float) -> str:
    """With as many digits as it deserves."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def notes(driver: DriverReport) -> Iterator[str]:
    """What the table has no room for: notes, and what each floor is."""
    for row in driver.rows:
        told = [row.note] if row.note else []
        if row.floor_is:
            told.append(f"floor: {row.floor_is}")
        if len(row.runs) > 1:
            values = [run.value for run in row.runs]
            told.append(f"{number(min(values))} to {number(max(values))}")
        if told:
            yield f"- {row.name}: {'; '.join(told)}"
