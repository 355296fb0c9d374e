"""A queue, as an argument of a command."""

from __future__ import annotations

import click

from asynctasq.driver import QUEUE_NAME


def queue_name(text: str) -> str:
    """Refuse here what no backend could have as a queue."""
    if not QUEUE_NAME.fullmatch(text):
        raise click.BadParameter(f"queue {text[:200]!r}: expected {QUEUE_NAME.pattern}")
    return text
