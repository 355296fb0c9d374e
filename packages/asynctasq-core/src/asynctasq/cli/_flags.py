"""Every option of the configuration as a flag, for the drivers that are installed.

A flag wins over every other source of its option. A secret is better not given as one: ``-`` in
its place reads it from standard input, a line for each.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import click

from asynctasq.cli._command import Command
from asynctasq.cli._output import is_terminal
from asynctasq.config import Option, known_options, set_flags
from asynctasq.driver import Secret
from asynctasq.plugins import declared

_FROM_STDIN: Final = "-"
_CORE: Final = "Configuration"


class ConfiguredCommand(Command):
    """A command that takes, beside its own flags, one for each option, and sets what was given.

    A flag of the command itself keeps its name. In help stand the options of drivers, and those of
    core in ``listed`` (None: all).
    """

    listed: Collection[str] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own, *(_flag(option) for option in self._options().values())]

    def invoke(self, ctx: click.Context) -> Any:
        self.configure(ctx)
        return super().invoke(ctx)

    def configure(self, ctx: click.Context) -> None:
        """Set the options that were given, and leave only the command's own flags."""
        options = self._options()
        taken = [(name, ctx.params.pop(name)) for name in tuple(ctx.params) if name in options]
        given = {name: text for name, text in taken if text is not None}
        secrets = [name for name in given if options[name].kind is Secret]
        ctx.obj = lines = _read_secrets(name for name in secrets if given[name] == _FROM_STDIN)
        for name in secrets:
            if name not in lines:
                _warn_of_secret(name)
        if given:
            set_flags({**given, **lines})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        owners = _owners()
        sections: dict[str, list[tuple[str, str]]] = {}
        options = self._options()
        for param in self.get_params(ctx):
            name = param.name or ""
            title = owners.get(name, _CORE) if name in options else "Options"
            if title == _CORE and self.listed is not None and name not in self.listed:
                continue
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
        if self.listed is not None:
            formatter.write_paragraph()
            formatter.write_text("The other options are flags too: see asynctasq worker --help.")

    def _options(self) -> Mapping[str, Option]:
        """Those that are flags here."""
        own = {param.name for param in self.params}
        return {name: option for name, option in known_options().items() if name not in own}


def secrets_read(ctx: click.Context) -> str:
    """What this command has read from standard input, for a process that is to read it again."""
    lines: Mapping[str, str] = ctx.obj or {}
    return "".join(f"{line}\n" for line in lines.values())


def _read_secrets(names: Iterable[str]) -> dict[str, str]:
    return {name: _read_secret(name) for name in names}


def _read_secret(name: str) -> str:
    if is_terminal(sys.stdin):
        typed: str = click.prompt(f"--{_dashed(name)}", hide_input=True, err=True)
        return typed
    if sys.stdin is not None and (line := sys.stdin.readline()):
        return line.rstrip("\r\n")
    raise click.UsageError(
        f"--{_dashed(name)} -: expected its value as a line on standard input, which has ended"
    )


def _warn_of_secret(name: str) -> None:
    click.echo(
        f"asynctasq: warning: --{_dashed(name)} can be read in the process list: better set "
        f"ASYNCTASQ_{name.upper()}, or give - and the value on standard input",
        err=True,
    )


def _owners() -> dict[str, str]:
    """The section of help for each option that is not core's."""
    return {o.name: f"{_CORE} of {each.name}" for each in declared() for o in each.options}


def _flag(option: Option) -> click.Option:
    shown = "" if option.default is None else f" [default: {option.default}]"
    return click.Option(
        [f"--{_dashed(option.name)}", option.name],
        metavar=option.kind.__name__.upper()
        if not option.choices
        else "|".join(map(str, option.choices)),
        help=f"{option.description[:1].upper()}{option.description[1:].rstrip('.')}.{shown}",
    )


def _dashed(name: str) -> str:
    return name.replace("_", "-")
