"""The options that a child was started with: they stand in its environment, as users set them."""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIX = "ASYNCTASQ_"


def given() -> dict[str, str]:
    """By name, as text."""
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX)
    }


def as_variables(options: Mapping[str, str]) -> dict[str, str]:
    """The environment that says so."""
    return {f"{PREFIX}{name.upper()}": value for name, value in options.items()}
