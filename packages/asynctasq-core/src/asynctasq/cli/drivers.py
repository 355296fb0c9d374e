"""``asynctasq drivers``: what is installed, whether it works, and what could be installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout

import click
from msgspec import Struct

from asynctasq import plugins
from asynctasq._text import plain
from asynctasq.cli._command import Command
from asynctasq.cli._output import as_json, table
from asynctasq.plugins import InstalledDriver, NotInstalled


class _Report(Struct, frozen=True):
    drivers: tuple[InstalledDriver, ...]
    not_installed: tuple[NotInstalled, ...]
    unreadable: tuple[str, ...]


@click.command(cls=Command)
@click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
def command(json: bool) -> None:
    """List the installed drivers, and what is wrong with those that cannot be used.

    Ends with exit code 0 also where one cannot be used.
    """
    with redirect_stdout(sys.stderr):  # a driver that prints when imported is not our output
        report = _Report(plugins.installed(), plugins.not_installed(), plugins.unreadable())
    if json:
        as_json(report)
        return
    table(("driver", "package", "version", "api", "state", "notes"), list(_rows(report)))
    for place in report.unreadable:
        click.echo(f"unreadable metadata in {plain(place)}", err=True)


def _rows(report: _Report) -> Iterator[tuple[str, ...]]:
    for each in report.drivers:
        api = ".".join(map(str, each.api)) if each.api else ""
        notes = each.problem or ", ".join(each.protocols)
        yield each.name, each.distribution, each.version, api, each.state, notes
    for missing in report.not_installed:
        package = f"asynctasq-{missing.name}"
        yield missing.name, package, "", "", "not installed", missing.install
