"""The parts of a URL, read strictly: what is wrong is said in words that quote no secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from ipaddress import IPv6Address
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Reader: TypeAlias = Callable[[str, str], str]
"""Of a parameter, by its name and value: how the client library is to be told. Raises `Wrong`."""

_NAME: Final = re.compile(r"([\w-]{1,63}\.)*[\w-]{1,63}\.?")
_ADDRESS: Final = re.compile(r"\[(?P<address>[0-9A-Fa-f:.]+)(%[\w.%-]+)?\]")


class Wrong(Exception):
    """What is wrong with a URL."""


def split(text: str, schemes: Collection[str]) -> SplitResult:
    """All but the hosts is as it was given. Raises `Wrong`, or `UnicodeError`, as all do here."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise Wrong("no URL")
    if scheme.lower() not in schemes:
        known = re.fullmatch(r"[a-z][a-z0-9+.-]{0,20}", scheme, re.IGNORECASE)
        raise Wrong(f"it begins with {scheme}://" if known else "no URL")
    if re.search(r"[\s\x00-\x1f]", text):
        raise Wrong("it has a space or a line end")
    try:
        parts = urlsplit(text)
    except ValueError:  # which may quote a part of the password
        raise Wrong("its host cannot be read") from None
    if "#" in text or rest.count("@") > 1 or (rest.count("@") and "@" not in parts.netloc):
        raise Wrong("it has a #, or an @ where none can be")
    return parts


def decoded(text: str) -> str:
    """Without percent-encoding."""
    return unquote(text, errors="strict")


def place(text: str, default: int) -> tuple[str, int]:
    """Host, an address of IPv6 in its brackets, and port."""
    address, closed, behind = text.rpartition("]")
    name, _, port = (behind if closed else text).partition(":")
    host = f"{address}]{name}" if closed else name
    if not host:
        raise Wrong("a host is missing")
    if not (_is_address(host) if closed else _NAME.fullmatch(host)):
        raise Wrong("a host cannot be read")
    if port and not is_within(port, 65535):
        raise Wrong("a port is not a number from 1 to 65535")
    return host, int(port or default)


def _is_address(text: str) -> bool:
    """Whether it is one of IPv6, in brackets; it may name an interface."""
    found = _ADDRESS.fullmatch(text)
    try:
        return found is not None and bool(IPv6Address(found["address"]))
    except ValueError:
        return False


def is_within(text: str, most: int) -> bool:
    """Whether it is a whole number from 1 to that."""
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 0 < int(text) <= most


def parameters(query: str, known: Mapping[str, Reader]) -> dict[str, str]:
    """What stands behind `?`. A name that is not known is refused, with the one that is near."""
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict"
        )
    except ValueError:  # which may quote a part of the password
        raise Wrong("what stands behind ? cannot be read") from None
    found = dict(pairs)
    for name in found:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f": did you mean {near[0]}?" if near else f", only {', '.join(known)}"
            raise Wrong(f"there is no parameter {name[:40]!r}{meant}")
    if len(found) < len(pairs):
        raise Wrong("a parameter stands twice")
    return {name: known[name](name, value) for name, value in found.items()}


def not_empty(name: str, value: str) -> str:
    """Reads any text."""
    if not value:
        raise Wrong(f"{name} is empty")
    return value


def one_or_zero(name: str, value: str) -> str:
    """Reads yes and no."""
    if value.lower() in ("1", "true", "yes", "on"):
        return "1"
    if value.lower() in ("0", "false", "no", "off"):
        return "0"
    raise Wrong(f"{name} is neither 1 nor 0")
