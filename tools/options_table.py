"""Writes the table of options into a package's README, from the options themselves.

It stands between `<!-- options -->` and `<!-- /options -->`. `nox -s pages` writes all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from asynctasq.config import Option

_ROOM = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- /options -->)", re.DOTALL)


def table(options: Iterable[Option]) -> str:
    """The options as Markdown, in the order in which they are declared."""
    rows = [
        f"| `{o.name}` | {_cell(o.expected)} | {_default(o)} | {_cell(o.description)} |\n"
        for o in options
    ]
    return "| option | accepts | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def filled(page: str, options: Iterable[Option]) -> str:
    """A page with that table in its room; raises ValueError where it has none."""
    if not _ROOM.search(page):
        raise ValueError("no room between <!-- options --> and <!-- /options -->")
    return _ROOM.sub(lambda _: table(options), page)


def _default(option: Option) -> str:
    if isinstance(option.default, float) and option.default.is_integer():
        return f"{option.default:.0f}"
    return "" if option.default is None else f"`{option.default}`"


def _cell(text: str) -> str:
    """Without patterns, which errors tell; a pipe would end the cell."""
    return re.sub(r", matching \S+", "", text).replace("|", "\\|")
