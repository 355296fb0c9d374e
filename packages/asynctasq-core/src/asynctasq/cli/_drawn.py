"""A table on a terminal: columns as long as they fit, the others of each row below it.

Imported only where there is a terminal, as it imports Rich.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_GAP: Final = 2
_INDENT: Final = 4
_LEAST: Final = 24
"""Characters that the last column needs, to be wrapped in its own place."""


def draw(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]) -> None:
    """Print it. Cells are text: mark-up in them is not read."""
    console = Console(highlight=False, markup=False, emoji=False)
    for line in laid_out(heads, rows, numbers, console.width):
        console.print(line, soft_wrap=True)


def laid_out(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str], width: int
) -> Iterator[Text]:
    """The lines of it, on a terminal of this width."""
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    fit = _that_fit(widths, width)
    right = [head in numbers for head in heads]
    yield Text(_joined(heads, widths, right, fit), style="bold")
    for row in rows:
        yield from _row(row, widths, right, fit, width)


def _that_fit(widths: Sequence[int], width: int) -> int:
    """How many columns stand beside each other; the last may be wrapped if that saves it."""
    for count in range(len(widths), 1, -1):
        before = sum(widths[: count - 1]) + _GAP * (count - 1)
        last = widths[count - 1]
        if before + (min(last, _LEAST) if count == len(widths) else last) <= width:
            return count
    return 1


def _row(
    row: Sequence[str], widths: Sequence[int], right: Sequence[bool], fit: int, width: int
) -> Iterator[Text]:
    if fit < len(row):
        yield Text(_joined(row, widths, right, fit))
        below = (" " * _GAP).join(cell for cell in row[fit:] if cell)
        for part in _wrapped(below, width - _INDENT):
            yield Text(" " * _INDENT + part, style="dim")
        return
    indent = sum(widths[:-1]) + _GAP * (len(widths) - 1)
    first, *more = _wrapped(row[-1], width - indent) or [""]
    yield Text(_joined((*row[:-1], first), widths, right, fit))
    for part in more:
        yield Text(" " * indent + part)


def _joined(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], count: int) -> str:
    padded: list[str] = []
    for cell, width, at_right in list(zip(cells, widths, right, strict=True))[:count]:
        space = " " * (width - cell_len(cell))
        padded.append(space + cell if at_right else cell + space)
    return (" " * _GAP).join(padded).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    lines = Text(text).wrap(Console(width=max(width, 1)), max(width, 1), overflow="fold")
    return [line.plain.rstrip() for line in lines if line.plain.strip()]
