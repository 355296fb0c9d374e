"""Showing data, and text that others wrote: as text and no more, whatever is in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from typing import Any, Final, TextIO

import click
import msgspec

from asynctasq._text import plain

_ENTITY: Final = re.compile(r"[^\n -~]")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sees or types it; a stream that was closed is None to Python."""
    return stream is not None and stream.isatty()


def lines(text: str) -> list[str]:
    """The lines of a text, each made `plain`."""
    return [plain(line) for line in text.splitlines()]


def as_json(data: Any) -> None:
    """Print data for programs."""
    click.echo(_escaped(msgspec.json.format(msgspec.json.encode(data), indent=2).decode()))


def as_json_line(data: Any) -> None:
    """The same on one line, for a program that reads line by line."""
    click.echo(_escaped(msgspec.json.encode(data).decode()))


def _escaped(json: str) -> str:
    """The same data, with nothing that a terminal acts on: that can stand inside strings only."""
    return _ENTITY.sub(lambda found: _as_entity(found[0]), json)


def _as_entity(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str] = ()
) -> None:
    """Print rows under their heads: drawn on a terminal, aligned and unwrapped elsewhere.

    The columns named in ``numbers`` are aligned on the right.
    """
    shown = [[plain(cell) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        from asynctasq.cli._drawn import draw

        draw(heads, shown, numbers)
    else:
        _align(heads, shown, numbers)


def _align(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]) -> None:
    cells = [[head.upper() for head in heads], *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [head in numbers for head in heads]
    for line in cells:
        padded = (
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(line, widths, right, strict=True)
        )
        click.echo("  ".join(padded).rstrip())
