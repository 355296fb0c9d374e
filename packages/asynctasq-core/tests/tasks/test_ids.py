"""Task ids: UUIDs of version 7, as RFC 9562 lays them out."""

from __future__ import annotations

import time
from functools import reduce
from operator import and_, or_
from uuid import RFC_4122

from asynctasq._ids import uuid7

VERSION_AND_VARIANT = 0xF << 76 | 0b11 << 62


def test_an_id_has_the_version_and_the_variant_of_rfc_9562() -> None:
    assert {(id.version, id.variant) for id in (uuid7() for _ in range(100))} == {(7, RFC_4122)}


def test_an_id_begins_with_the_milliseconds_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid7().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000


def test_the_74_bits_that_remain_are_random() -> None:
    parts = [uuid7().int & (1 << 80) - 1 & ~VERSION_AND_VARIANT for _ in range(200)]
    assert reduce(or_, parts) == (1 << 80) - 1 & ~VERSION_AND_VARIANT
    assert reduce(and_, parts) == 0
    assert len(set(parts)) == 200
