"""Asking before something is done that cannot be undone."""

from __future__ import annotations

import sys

import click

from asynctasq._text import plain
from asynctasq.cli._output import is_terminal


def make_sure(question: str) -> None:
    """Go on after a yes only. Raises `click.Abort` at a no, UsageError where nobody can answer."""
    if not is_terminal(sys.stdin):
        raise click.UsageError("this asks before it acts, and nobody is there to answer: use --yes")
    click.confirm(plain(question), abort=True, err=True)
