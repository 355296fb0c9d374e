"""Values that must not be seen: passwords, keys, and URLs that hold them."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://).*@", re.DOTALL)
_QUERY = re.compile(r"[?#].*$", re.DOTALL)


class Secret:
    """A string that shows itself only to those who ask with `reveal()`.

    Two secrets of one value are equal, and a secret equals the plain string it holds.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the client library and no one else."""
        return self._value

    def __str__(self) -> str:
        """A URL without its user, password and query; anything else as ``***``."""
        if "://" not in self._value:
            return "***"
        return _QUERY.sub("?***", _USERINFO.sub("***@", self._value))

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self._value == other._value
        return self._value == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._value,)
