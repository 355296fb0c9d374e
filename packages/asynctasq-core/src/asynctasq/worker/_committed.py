"""The outcome of a task that its own transaction has acknowledged."""

from __future__ import annotations

from asynctasq.driver import Ack


class Committed(Ack, frozen=True):
    """Acknowledged already: nothing is left to settle, and its record to be stored by itself."""
