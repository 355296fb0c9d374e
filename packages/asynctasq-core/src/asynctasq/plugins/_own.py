"""The drivers that this project publishes, so that a missing one can be named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": ("sqlite_",),
    "redis": ("redis_",),
    "postgres": ("postgres_",),
    "mysql": ("mysql_",),
    "rabbitmq": ("rabbitmq_",),
    "sqs": ("sqs_", "aws_"),
}
"""Name of each driver, and how its options begin."""


def how_to_install(driver: str) -> str:
    """The command that installs one of our own drivers, in its two forms."""
    return f'pip install asynctasq-{driver} (or: pip install "asynctasq-core[{driver}]")'


def owner_of_option(option: str) -> str | None:
    """Which of our own drivers an option belongs to, judged by how it begins."""
    return next((driver for driver, begins in OWN.items() if option.startswith(begins)), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if any is near."""
    from difflib import get_close_matches  # only needed on the way to an error

    return next(iter(get_close_matches(name, list(known), n=1)), None)
