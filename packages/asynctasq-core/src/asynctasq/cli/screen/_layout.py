"""Lines of a screen: fixed columns, cut to the width, and nothing in them read as mark-up.

Widths do not depend on what is shown, so that no column moves while numbers grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from asynctasq._text import plain

GAP: Final = 2
LABEL: Final = "dim"
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_UNITS: Final = ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"))


class Column(NamedTuple):
    """Where cells of one kind stand."""

    head: str
    width: int
    """In cells; 0: what the others leave."""
    align: Literal["left", "right"] = "left"
    keep: Literal["start", "end"] = "start"
    """Which part of a text that is too long is shown."""
    from_width: int = 0
    """On narrower terminals it is left out."""


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """Those that are shown at this width, each with its own."""
    shown = [column for column in columns if width >= column.from_width]
    left = width - 1 - GAP * (len(shown) - 1) - sum(column.width for column in shown)
    return [each if each.width else each._replace(width=max(left, 1)) for each in shown]


def head(columns: Sequence[Column], width: int) -> Text:
    """The line above rows."""
    return row(columns, {each.head: each.head for each in columns}, width, LABEL)


def row(
    columns: Sequence[Column], cells: dict[str, str], width: int, style: str = "", **styles: str
) -> Text:
    """One line of cells, given by the heads of their columns; ``styles`` are of single cells."""
    line = Text(" ", no_wrap=True)
    for number, column in enumerate(fitted(columns, width)):
        text = aligned(cells.get(column.head, ""), column)
        line.append(" " * GAP if number else "")
        line.append(text, styles.get(column.head, style))
    return cropped(line, width)


def aligned(text: str, column: Column) -> str:
    """The text in as many cells as its column has."""
    text = cut(text, column.width, column.keep)
    space = " " * (column.width - cell_len(text))
    return space + text if column.align == "right" else text + space


def cut(text: str, width: int, keep: Literal["start", "end"] = "start") -> str:
    """The text on one line of so many cells at most, harmless to a terminal."""
    text = plain(text)
    if cell_len(text) <= width:
        return text
    if keep == "start":
        return set_cell_size(text, width - 1).rstrip() + "…"
    text = text[-width:]
    while text and cell_len(text) > width - 1:
        text = text[1:]
    return "…" + text


def cropped(line: Text, width: int) -> Text:
    """A line that a terminal does not wrap, and without blanks at its end."""
    line.rstrip()
    line.truncate(width, overflow="ellipsis")
    return line


def rule(left: str, right: str, width: int) -> Text:
    """A line across, with a title at its left and a note at its right."""
    right = f" {right} ──" if right else ""
    room = width - len("── ") - cell_len(right) - len(" ─")
    title = cut(left, max(room, 1))
    filled = "─" * (room - cell_len(title) + 1)
    return cropped(
        Text.assemble(("── ", LABEL), (title, "bold"), (f" {filled}{right}", LABEL)), width
    )


def count(number: int, width: int) -> str:
    """A number in so many cells."""
    text = f"{number:,}"
    for unit, letter in _UNITS:
        if len(text) <= width:
            break
        text = f"{number / unit:.1f}{letter}"
    return text


def bars(numbers: Sequence[int]) -> str:
    """Numbers as bars, the highest of them in full height."""
    most = max(numbers, default=0)
    steps = len(_LEVELS) - 1
    return "".join(_LEVELS[-(-number * steps // most) if most else 0] for number in numbers)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}"
