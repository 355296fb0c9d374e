"""``asynctasq config``: every option, what it is set to, and by whom."""

from __future__ import annotations

from typing import Any

import click
from msgspec import Struct

from asynctasq.cli._backend import BackendCommand
from asynctasq.cli._output import as_json, table
from asynctasq.config import Config
from asynctasq.driver import Secret
from asynctasq.errors import ConfigError
from asynctasq.plugins import nearest


class _Shown(Struct, frozen=True):
    option: str
    value: Any
    origin: str


@click.command(cls=BackendCommand)
@click.argument("options", metavar="[OPTION]...", nargs=-1)
@click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
def command(options: tuple[str, ...], json: bool) -> None:
    """Show these options, or all, each with its value and where that comes from.

    A flag wins over init() in the --app module, that over ASYNCTASQ_* in the environment, that
    over the same in .env. Passwords are hidden.
    """
    config = Config.get()
    rows = {row.name: row for row in config.rows()}
    for name in options:
        if name not in rows:
            near = nearest(name, rows)
            raise ConfigError(f"no option {name!r}" + (f": did you mean {near!r}?" if near else ""))
    chosen = [rows[name] for name in options or rows]
    if json:
        as_json([_Shown(r.name, _value(config, r.name), r.origin) for r in chosen])
    else:
        table(("option", "value", "from"), chosen)


def _value(config: Config, name: str) -> Any:
    value = getattr(config, name)
    if isinstance(value, Secret):
        return str(value)
    # What is no UTF-8 in the environment is no text that JSON could hold.
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
