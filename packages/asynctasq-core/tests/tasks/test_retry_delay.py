"""The delay before the next attempt: the formula, its cap and its jitter."""

from __future__ import annotations

import statistics

import pytest

from asynctasq.retry import next_attempt_allowed, retry_delay


@pytest.mark.parametrize(
    ("base", "attempt", "longest", "expected"),
    [
        (60, 1, 3600, 60),
        (60, 2, 3600, 120),
        (60, 6, 3600, 1920),
        (60, 7, 3600, 3600),
        (60, 5000, 3600, 3600),
        (0.5, 3, 3600, 2.0),
        (0, 5000, 3600, 0),
        (60, 1, 10, 10),
        (60, 1, 0, 0),
        (1e-300, 5000, 3600, 1e-300 * 2.0**1000),
        (1e300, 5000, 3600, 3600),
    ],
)
def test_exponential_doubles_up_to_its_cap(
    base: float, attempt: int, longest: float, expected: float
) -> None:
    assert retry_delay("exponential", base, attempt, longest, jitter=1.0) == expected


def test_exponential_is_spread_from_four_to_six_fifths() -> None:
    delays = [retry_delay("exponential", 60, 3, 3600) for _ in range(2000)]
    assert 192 <= min(delays) < 200
    assert 280 < max(delays) <= 288
    assert statistics.mean(delays) == pytest.approx(240, rel=0.02)


def test_the_cap_is_spread_as_well() -> None:
    delays = {retry_delay("exponential", 60, 50, 100) for _ in range(100)}
    assert len(delays) > 90
    assert all(80 <= delay <= 120 for delay in delays)


@pytest.mark.parametrize("attempt", [1, 2, 5000])
def test_fixed_is_the_same_each_time_without_jitter_or_cap(attempt: int) -> None:
    assert {retry_delay("fixed", 90, attempt, 60) for _ in range(20)} == {90}


@pytest.mark.parametrize(
    ("attempt", "most", "allowed"), [(1, 1, False), (1, 2, True), (2, 2, False), (3, 2, False)]
)
def test_attempts_are_counted_with_the_first(attempt: int, most: int, allowed: bool) -> None:
    assert next_attempt_allowed(attempt, most) is allowed
