"""``asynctasq migrate``: bring a driver's schema up to date, or show what that would take."""

from __future__ import annotations

import asyncio
import sys

import click

from asynctasq._text import plain
from asynctasq.cli._backend import BackendCommand
from asynctasq.config import current, make_driver
from asynctasq.driver import Migrates, Migration


@click.command(cls=BackendCommand)
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if a step is pending.")
@click.option("--sql", is_flag=True, help="Change nothing; print the SQL of what is pending.")
def command(check: bool, sql: bool) -> None:
    """Bring the schema of the configured driver up to date.

    Safe while workers of the version before run, and when it was interrupted: run it again.
    """
    config = current().config
    driver = make_driver(config.driver, config)
    if not isinstance(driver, Migrates):
        click.echo(f"the {plain(config.driver)} driver has no schema: nothing to do")
        return
    steps = asyncio.run(_steps(driver, apply=not (check or sql)))
    for step in steps:
        _show(step, sql)
    if not sql:
        _conclude(len(steps), applied=not check)
    sys.exit(1 if check and steps else 0)


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
