"""The options of a package as a Markdown table, for its README."""

from __future__ import annotations

import re
from collections.abc import Iterable

from asynctasq.config import Option


def table(options: Iterable[Option]) -> str:
    """One line for each, in the order in which they are declared."""
    rows = [
        f"| `{o.name}` | {_cell(o.expected)} | {_default(o)} | {_cell(o.description)} |\n"
        for o in options
    ]
    return "| option | accepts | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _default(option: Option) -> str:
    if isinstance(option.default, float) and option.default.is_integer():
        return f"{option.default:.0f}"
    return "" if option.default is None else f"`{option.default}`"


def _cell(text: str) -> str:
    """Without patterns, which errors tell; a pipe would end the cell."""
    return re.sub(r", matching \S+", "", text).replace("|", "\\|")
