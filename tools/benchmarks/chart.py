"""The report as a picture: what was reached, as a share of what is wanted. SVG, written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from tools.benchmarks.results import DriverReport, Report, Row
from tools.benchmarks.table import number, wanted

_WIDTH, _LINE, _LEFT, _RIGHT, _HEAD = 1060, 26, 330, 270, 74
_MOST = 2.0
"""Shares above are drawn as this."""
_SCALE = (_WIDTH - _LEFT - _RIGHT) / _MOST
_GOOD, _BAD, _INK, _PALE = "#2b6cb0", "#d9730d", "#222222", "#6f6f6f"


def svg(report: Report) -> str:
    """The whole picture."""
    bodies: list[str] = []
    y = _HEAD
    for driver in report.drivers:
        rows = [(row, share) for row in driver.rows if (share := reached(row)) is not None]
        if rows:
            bodies += _driver(driver, rows, y)
            y += _LINE * (len(rows) + 2)
    height = y + _LINE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            _text(20, 30, "What was reached, as a share of what is wanted", size=18),
            _text(20, 52, _subtitle(report), fill=_PALE),
            *bodies,
            "</svg>",
            "",
        ]
    )


def reached(row: Row) -> float | None:
    """1 is what is wanted, more is better; of several conditions the one that is farthest off."""
    asked = row.wanted
    if asked is None or row.value is None:
        return None
    shares: list[float] = []
    if asked.at_least is not None and row.ratio is not None:
        shares.append(row.ratio / asked.at_least)
    if asked.at_most is not None and row.ratio:
        shares.append(asked.at_most / row.ratio)
    if asked.limit is not None:
        shares.append(asked.limit / row.value if row.value > 0 else _MOST)
    if asked.above is not None and row.floor is not None:
        more = row.value - row.floor
        shares.append(asked.above / more if more > 0 else _MOST)
    return min(shares, default=None)


def _subtitle(report: Report) -> str:
    machine = report.machine
    return (
        f"{machine.cpus} CPUs, {machine.system}, {machine.python}, {machine.loop}; "
        f"size: {report.size}; medians of {report.repeat}; bars end at {_MOST:g}"
    )


def _driver(driver: DriverReport, rows: list[tuple[Row, float]], y: int) -> Iterator[str]:
    options = "".join(f", {name}={value}" for name, value in driver.options.items())
    yield _text(20, y + 18, f"{driver.driver}{options}", size=15)
    for place, (row, share) in enumerate(rows, 1):
        yield from _bar(row, share, y + place * _LINE)
    top, bottom, x = y + _LINE, y + _LINE * (len(rows) + 1), _LEFT + _SCALE
    yield f'<line x1="{x:.0f}" y1="{top}" x2="{x:.0f}" y2="{bottom}" stroke="{_INK}"/>'
    yield _text(x, bottom + 14, "wanted", fill=_PALE, anchor="middle")


def _bar(row: Row, share: float, y: int) -> Iterator[str]:
    width = max(1.0, min(share, _MOST) * _SCALE)
    color = _GOOD if row.holds else _BAD
    yield _text(_LEFT - 10, y + 17, row.title, anchor="end")
    yield f'<rect x="{_LEFT}" y="{y + 4}" width="{width:.1f}" height="18" fill="{color}"/>'
    yield _text(_WIDTH - _RIGHT + 10, y + 17, _told(row))


def _told(row: Row) -> str:
    """What was measured, in the terms in which it is wanted."""
    assert row.wanted is not None
    assert row.value is not None
    by_ratio = row.wanted.at_least is not None or row.wanted.at_most is not None
    value = f"{number(row.value)} {row.unit}"
    if by_ratio and row.ratio is not None:
        value = f"{row.ratio:.3f}"
    elif row.wanted.above is not None and row.floor is not None:
        value = f"floor + {number(row.value - row.floor)}"
    asked = wanted(row.wanted, row.unit).partition(" (about")[0].removeprefix("ratio ")
    return f"{value}, wanted {asked}"


def _text(
    x: float, y: float, text: str, *, size: int = 13, fill: str = _INK, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
