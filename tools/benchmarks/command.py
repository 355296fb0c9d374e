"""The command line: what is asked for, checked before anything is started."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console

from tools.benchmarks import asked, chart, machine, table
from tools.benchmarks.measurements import MEASUREMENTS
from tools.benchmarks.measurements.measurement import Measurement
from tools.benchmarks.progress import progress
from tools.benchmarks.results import Report
from tools.benchmarks.runs import measure
from tools.benchmarks.sizes import FULL, QUICK, Sizes

_NAMES = "\n".join(
    [
        "\b",
        "Measurements, and the rows that they give:",
        *(f"  {each.name:14} {', '.join(row.name for row in each.rows)}" for each in MEASUREMENTS),
        "",
        "\b",
        "Exit codes: 0 all was measured; 1 something failed, which the report tells; 2 asked for "
        "wrongly.",
        "Whether what is wanted was reached does not count.",
    ]
)
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


class Refused(click.ClickException):
    """It was asked for wrongly."""

    exit_code = 2


@click.command(epilog=_NAMES)
@click.option(
    "--driver",
    "drivers",
    multiple=True,
    metavar="NAME",
    help="An installed driver; may be given several times. [default: all that are installed]",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of core or of a driver, for all measurements; may be given several times.",
)
@click.option("--only", metavar="NAME,...", help="Only these measurements, or those of these rows.")
@click.option("--quick", is_flag=True, help="Fewer tasks: a minute each, and less telling.")
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.001, max=100),
    help="Multiply all counts and times.",
)
@click.option(
    "--repeat",
    default=3,
    show_default=True,
    type=click.IntRange(min=1, max=100),
    help="How often everything is measured; the report has medians.",
)
@click.option(
    "--floor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The floor file of a driver from elsewhere, named after it.",
)
@click.option("--json", "json_file", type=_FILE, help="Write the report to this file.")
@click.option("--chart", "chart_file", type=_FILE, help="Draw what is wanted and reached (SVG).")
def command(
    drivers: Sequence[str],
    options: Sequence[str],
    only: str | None,
    quick: bool,
    scale: float,
    repeat: int,
    floor: Path | None,
    json_file: Path | None,
    chart_file: Path | None,
) -> None:
    """Measure drivers beside their floors: what their client library does alone, in the same run.

    Everything runs in child processes, on files and servers of their own that are removed
    afterwards. Only the ratios say something about another machine.
    """
    try:
        floors = asked.floor_files(floor)
        chosen = asked.drivers(drivers)
        given = asked.options(options, chosen, floors)
        measurements = asked.measurements(only)
    except asked.Wrong as error:
        raise Refused(str(error)) from None
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and clean up
    sizes = (QUICK if quick else FULL).scaled(scale)
    report = _report(chosen, given, floors, measurements, sizes, repeat)
    _write(report, json_file, chart_file)
    if report.failed:
        click.echo(f"failed: {', '.join(report.failed)}", err=True)
        sys.exit(1)


def _report(
    drivers: Sequence[str],
    given: Mapping[str, str],
    floors: Mapping[str, Path],
    measurements: Sequence[Measurement],
    sizes: Sizes,
    repeat: int,
) -> Report:
    steps = len(drivers) * len(measurements) * repeat
    with progress(steps) as tell:
        found = [
            measure(
                name,
                asked.of_driver(given, name),
                floors.get(name),
                measurements,
                sizes,
                repeat,
                tell,
            )
            for name in drivers
        ]
    return Report(
        machine=machine.facts(drivers), size=sizes.name, repeat=repeat, drivers=tuple(found)
    )


def _write(report: Report, json_file: Path | None, chart_file: Path | None) -> None:
    table.show(report, Console())
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if chart_file is not None:
        chart_file.write_text(chart.svg(report), encoding="utf-8")
