"""Showing data, and text that others wrote: as text and no more, whatever is in it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any

import click
import msgspec

from asynctasq._text import plain


def lines(text: str) -> list[str]:
    """The lines of a text, each made `plain`."""
    return [plain(line) for line in text.splitlines()]


def as_json(data: Any) -> None:
    """Print data for programs."""
    click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2))


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str] = ()
) -> None:
    """Print rows under their heads: drawn on a terminal, aligned and unwrapped elsewhere.

    The columns named in ``numbers`` are aligned on the right.
    """
    shown = [[plain(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
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
