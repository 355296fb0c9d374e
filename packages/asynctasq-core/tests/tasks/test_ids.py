"""Task ids: UUIDs of version 7, as RFC 9562 lays them out."""

from __future__ import annotations

import time
from functools import reduce
from operator import and_, or_
from uuid import RFC_4122

import pytest

from asynctasq._ids import uuid7

RANDOM = (1 << 62) - 1


def test_an_id_has_the_version_and_the_variant_of_rfc_9562() -> None:
    assert {(id.version, id.variant) for id in (uuid7() for _ in range(100))} == {(7, RFC_4122)}


def test_an_id_begins_with_the_milliseconds_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid7().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000


def test_the_62_bits_at_its_end_are_random() -> None:
    ends = [uuid7().int & RANDOM for _ in range(200)]
    assert reduce(or_, ends) == RANDOM
    assert reduce(and_, ends) == 0
    assert len(set(ends)) == 200


def test_ids_of_one_millisecond_are_in_the_order_of_their_making(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_millisecond = range(1_700_000_000_000_000_000, 1_700_000_000_001_000_000, 250)
    clock = iter(a_millisecond)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    ids = [uuid7() for _ in a_millisecond]
    assert {id.int >> 80 for id in ids} == {1_700_000_000_000}
    assert ids == sorted(ids)
