"""Showing text that others wrote, names of packages and errors among it, as text and no more."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click


def plain(text: str) -> str:
    """The text on one line, with nothing in it that a terminal acts on."""
    return "".join(c if c.isprintable() else " " if c in "\n\t" else ascii(c)[1:-1] for c in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads: drawn on a terminal, aligned and unwrapped elsewhere."""
    shown = [[plain(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(heads, shown)
    else:
        _align([[head.upper() for head in heads], *shown])


def _draw(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*heads)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: markup in it is not read
    Console().print(drawn)


def _align(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
