"""Turning what was given for an option into its value.

Nothing here raises: an error would carry the given value, perhaps a password, in its own text or
in the local variables of its traceback. What does not fit is `INVALID`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal

from asynctasq._options._option import Option
from asynctasq._secret import Secret


class _Invalid(Enum):
    INVALID = "invalid"


INVALID: Final = _Invalid.INVALID
"""The answer of `read` where a value does not fit its option."""

_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_BITS: Final = 63
"""Of a whole number: no option has a use for more, and text of any length must not be read."""
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_HOLDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "multiple_of": lambda value, of: value % of == 0,
    "min_length": lambda value, length: len(value) >= length,
    "max_length": lambda value, length: len(value) <= length,
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
}


def read(option: Option, value: object, *, text: bool) -> Any | Literal[_Invalid.INVALID]:
    """The option's value, or `INVALID`.

    ``text``: a string is what somebody typed (a flag, the environment), so that ``"5"`` may be a
    number and ``"none"`` or ``"null"`` None; else it has to be of the option's own type already.
    """
    if text and isinstance(value, str):
        value = _from_text(option, value)
    if value is None:
        return None if option.optional else INVALID
    value = _of_kind(option.kind, value)
    return value if value is not INVALID and _fits(option, value) else INVALID


def _from_text(option: Option, text: str) -> object:
    word = text.strip()
    if option.optional and word.lower() in ("none", "null"):
        return None
    if option.kind is bool:
        return _WORDS.get(word.lower(), INVALID)
    if option.kind is int:
        return int(word) if _WHOLE.fullmatch(word) else INVALID
    if option.kind is float:
        return float(word) if _NUMBER.fullmatch(word) else INVALID
    return text


def _of_kind(kind: type, value: object) -> object:
    if kind is Secret:
        return Secret(value) if isinstance(value, str) else _exactly(Secret, value)
    if isinstance(value, bool) is not (kind is bool):  # True is an int, but never meant as one
        return INVALID
    if kind is float and isinstance(value, (int, float)):
        return _finite(value)
    if kind is int and isinstance(value, int) and value.bit_length() > _BITS:
        return INVALID
    return _exactly(kind, value)


def _exactly(kind: type, value: object) -> object:
    return value if isinstance(value, kind) else INVALID


def _finite(value: float) -> object:
    try:
        number = float(value)
    except OverflowError:
        return INVALID
    return number if math.isfinite(number) else INVALID


def _fits(option: Option, value: Any) -> bool:
    bare = value.reveal() if isinstance(value, Secret) else value
    if option.choices and bare not in option.choices:
        return False
    return all(_HOLDS[limit](bare, bound) for limit, bound in option.limits.items())
