"""The error of a run whose process is gone."""

from __future__ import annotations


class ChildDied(Exception):
    """A child process ended before it answered. Its run may have begun, or even have finished."""
