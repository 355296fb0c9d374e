"""Task ids: UUID version 7 (RFC 9562, section 5.7), so that an index sees them arrive in order."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62


def uuid7() -> UUID:
    """A new id: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    rand_a, rand_b = random >> 68, random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | rand_a << 64 | rand_b | _VERSION_AND_VARIANT)
