"""Text that others wrote, made harmless for a log or a terminal."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text on one line, with nothing in it that a terminal acts on."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\n\t" else ascii(c)[1:-1] for c in text)
