"""The error of a run whose process is gone."""

from __future__ import annotations


class ChildDied(Exception):
    """A child process ended before it answered. Its run may have begun, or even have finished."""


class ChildNotStarted(ChildDied):
    """No child process could be started, so the run certainly did not begin."""
