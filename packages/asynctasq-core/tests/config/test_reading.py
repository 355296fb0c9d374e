"""Reading a value never raises, whatever was given, and never lets a wrong one through."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asynctasq._options import INVALID, CoreOptions, Option, options_of, read
from asynctasq.driver import Secret

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.lists(st.text()),
    st.just(int),
    st.builds(Secret, st.text()),
)
texts = st.one_of(
    st.text(),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(["none", "NULL", "true", "0", "1e999", "\u0661", "0x10", "--1", "1_0", "nan"]),
)
options = st.sampled_from(options_of(CoreOptions))


def is_right(option: Option, value: Any) -> bool:
    if value is None:
        return option.optional
    if option.kind is float:
        return type(value) is float and math.isfinite(value)
    return type(value) is option.kind


@settings(max_examples=500)
@given(option=options, value=anything)
def test_a_value_comes_out_as_its_type_or_is_invalid(option: Option, value: Any) -> None:
    outcome = read(option, value, text=False)
    if outcome is not INVALID and option.kind is float and value is not None:
        value = float(value)  # the nearest there is to a large whole number
    assert outcome is INVALID or (is_right(option, outcome) and outcome == value)


@settings(max_examples=500)
@given(option=options, text=texts)
def test_a_text_comes_out_as_the_type_or_is_invalid(option: Option, text: str) -> None:
    outcome = read(option, text, text=True)
    assert outcome is INVALID or is_right(option, outcome)


@settings(max_examples=500)
@given(option=options, value=anything)
def test_what_is_valid_survives_being_written_as_text(option: Option, value: Any) -> None:
    outcome = read(option, value, text=False)
    if outcome is INVALID or str(outcome).lower() in ("none", "null"):
        return
    written = outcome.reveal() if isinstance(outcome, Secret) else str(outcome)
    if option.optional and written.lower() in ("none", "null"):
        return
    assert read(option, written, text=True) == outcome
