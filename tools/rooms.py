"""Parts of a page that are written by a program: between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

import re


def filled(page: str, name: str, text: str) -> str:
    """A page with that text in the room of that name; raises ValueError where it has none."""
    room = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    if not room.search(page):
        raise ValueError(f"no room between <!-- {name} --> and <!-- /{name} -->")
    return room.sub(lambda _: text, page)


def read(page: str, name: str) -> str:
    """What stands in the room of that name; raises ValueError where there is none."""
    _, opened, rest = page.partition(f"<!-- {name} -->\n")
    text, closed, _ = rest.partition(f"<!-- /{name} -->")
    if not (opened and closed):
        raise ValueError(f"no room between <!-- {name} --> and <!-- /{name} -->")
    return text
