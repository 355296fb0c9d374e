"""Tables on terminals of any width: nothing is cut off, nothing is read as mark-up."""

from __future__ import annotations

import pytest

from asynctasq.cli._drawn import laid_out
from asynctasq.cli._duration import duration, when

HEADS = ("id", "count", "what")
ROWS = [("one", "1", "short"), ("two", "1,000", "rather long and [red]marked[/red] up :boom:")]


def lines(width: int, rows: list[tuple[str, ...]] = ROWS) -> list[str]:
    return [line.plain for line in laid_out(HEADS, rows, ("count",), width)]


def test_columns_are_aligned_where_there_is_room() -> None:
    assert lines(80) == [
        "id   count  what",
        "one      1  short",
        "two  1,000  rather long and [red]marked[/red] up :boom:",
    ]


def test_the_last_column_is_wrapped_in_its_place() -> None:
    assert lines(38) == [
        "id   count  what",
        "one      1  short",
        "two  1,000  rather long and",
        "            [red]marked[/red] up",
        "            :boom:",
    ]


def test_what_has_no_place_beside_the_others_stands_below() -> None:
    assert lines(30) == [
        "id   count",
        "one      1",
        "    short",
        "two  1,000",
        "    rather long and",
        "    [red]marked[/red] up",
        "    :boom:",
    ]


@pytest.mark.parametrize("width", [1, 5, 8, 11, 20, 79, 300])
def test_no_width_loses_a_character(width: int) -> None:
    text = "".join("".join(lines(width)).split())
    for row in ROWS:
        for cell in row:
            assert "".join(cell.split()) in text


def test_wide_characters_count_as_two() -> None:
    rows = [("日本", "1", "x"), ("abcd", "2", "y")]
    assert lines(80, rows)[1:] == ["日本      1  x", "abcd      2  y"]


def test_a_table_without_rows_has_its_heads() -> None:
    assert lines(80, []) == ["id  count  what"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (-3, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h")],
)
def test_spans_are_told_in_the_largest_unit_that_fits_twice(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_moments_are_told_from_now() -> None:
    assert (when(100, 40), when(40, 100)) == ("in 60 s", "60 s ago")
