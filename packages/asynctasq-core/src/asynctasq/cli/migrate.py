"""``asynctasq migrate``: bring a driver's schema up to date, or show what that would take."""

from __future__ import annotations

import asyncio
import sys

import click

from asynctasq._text import plain
from asynctasq.cli._backend import BackendCommand, backend_name
from asynctasq.cli._output import as_json
from asynctasq.config import current, make_driver
from asynctasq.driver import Migrates, Migration


@click.command(cls=BackendCommand)
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if a step is pending.")
@click.option("--sql", is_flag=True, help="Change nothing; print the SQL of what is pending.")
@click.option("--json", "json", is_flag=True, help="Print the steps in JSON, for programs.")
def command(check: bool, sql: bool, json: bool) -> None:
    """Bring the schema of the configured driver up to date.

    Safe while workers of the version before run, and when it was interrupted: run it again.
    """
    steps = _of_configured(apply=not (check or sql))
    if json:
        as_json(steps or ())
    elif steps is None:
        click.echo(f"the {plain(backend_name())} driver has no schema: nothing to do")
    else:
        for step in steps:
            _show(step, sql)
        if not sql:
            _conclude(len(steps), applied=not check)
    sys.exit(1 if check and steps else 0)


def _of_configured(*, apply: bool) -> tuple[Migration, ...] | None:
    """The steps that were applied, or are pending; None: that driver has no schema."""
    config = current().config
    driver = make_driver(config.driver, config)
    return asyncio.run(_steps(driver, apply=apply)) if isinstance(driver, Migrates) else None


async def _steps(driver: Migrates, *, apply: bool) -> tuple[Migration, ...]:
    return await (driver.migrate() if apply else driver.pending_migrations())


def _show(step: Migration, sql: bool) -> None:
    if sql:
        click.echo(f"-- {step.version} {plain(step.name)}\n{step.sql.rstrip()}\n")
    else:
        click.echo(f"{step.version:4}  {plain(step.name)}")


def _conclude(count: int, *, applied: bool) -> None:
    if not count:
        click.echo("the schema is up to date")
    elif applied:
        click.echo(f"{count} step(s) applied")
    else:
        click.echo(f"{count} step(s) pending: run asynctasq migrate")
