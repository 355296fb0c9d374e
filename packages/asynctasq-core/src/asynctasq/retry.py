"""When an attempt is followed by another, and after how long. Pure functions, no clock, no I/O."""

from __future__ import annotations

import random
from typing import Literal, TypeAlias

RetryStrategy: TypeAlias = Literal["fixed", "exponential"]


def retry_delay(
    strategy: RetryStrategy, base: float, attempt: int, longest: float, jitter: float | None = None
) -> float:
    """Seconds until the attempt after ``attempt``.

    *fixed*: ``base``. *exponential*: ``min(longest, base * 2 ** (attempt - 1))`` times a number
    from 0.8 to 1.2, ``jitter`` or drawn, so that what failed together does not return together.
    """
    if strategy == "fixed":
        return base
    # Beyond 2 ** 1023 a float overflows; `longest` is reached long before.
    grown = base * 2.0 ** min(attempt - 1, 1000)
    return min(longest, grown) * (random.uniform(0.8, 1.2) if jitter is None else jitter)


def next_attempt_allowed(attempt: int, max_attempts: int) -> bool:
    """Whether a failed attempt leaves another one."""
    return attempt < max_attempts
