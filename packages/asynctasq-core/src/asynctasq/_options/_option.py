"""One option, read from the annotation of a struct's field.

A driver declares its options as core does: a field with a default, of type ``str``, ``int``,
``float``, ``bool``, ``Secret`` or ``Literal``, alone or with ``| None``. ``msgspec.Meta`` gives
bounds and a description, and earlier names as ``extra={"was": ["old_name"]}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo, fields

from asynctasq._secret import Secret

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_KINDS: Final[Mapping[type, str]] = {
    str: "text",
    Secret: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
_LIMITS: Final[Mapping[str, tuple[frozenset[type], str]]] = {
    "ge": (frozenset({int, float}), "at least {}"),
    "gt": (frozenset({int, float}), "more than {}"),
    "le": (frozenset({int, float}), "at most {}"),
    "lt": (frozenset({int, float}), "less than {}"),
    "multiple_of": (frozenset({int, float}), "a multiple of {}"),
    "min_length": (frozenset({str, Secret}), "{} characters or more"),
    "max_length": (frozenset({str, Secret}), "{} characters or fewer"),
    "pattern": (frozenset({str, Secret}), "matching {}"),
}


class Option(Struct, frozen=True, kw_only=True):
    """What an option is called, what it accepts and what it is when nobody sets it."""

    name: str
    kind: type
    """``str``, ``int``, ``float``, ``bool`` or `Secret`."""
    choices: tuple[str | int, ...] = ()
    """The only values allowed; empty: any of its kind."""
    optional: bool = False
    """Whether None is allowed."""
    limits: Mapping[str, Any] = {}
    """Bounds, by their names in ``msgspec.Meta``."""
    default: Any
    description: str = ""
    was: tuple[str, ...] = ()
    """Earlier names, which are still read."""

    @property
    def expected(self) -> str:
        """What it accepts, in words."""
        allowed = _KINDS[self.kind]
        if self.choices:
            allowed = "one of " + ", ".join(map(repr, self.choices))
        bounds = [_LIMITS[limit][1].format(bound) for limit, bound in self.limits.items()]
        return ", ".join([allowed, *bounds]) + (" or None" if self.optional else "")


def options_of(struct: type[Struct]) -> tuple[Option, ...]:
    """The options that a struct declares.

    Raises TypeError, naming the field, for one without a default, of a type that cannot be read
    from text, or with a name or a bound that does not fit.
    """
    return tuple(_option(field) for field in fields(struct))


def _option(field: FieldInfo) -> Option:
    if not _NAME.fullmatch(field.name):
        raise TypeError(f"field {field.name!r}: expected a name in lower case, such as acme_url")
    types, metas = _flatten(field.type)
    kinds = [each for each in types if each is not NoneType]
    if len(kinds) != 1 or not (_is_choice(kinds[0]) or kinds[0] in _KINDS):
        raise TypeError(
            f"field {field.name!r}: its type cannot be an option's; expected str, int, float, "
            "bool, Secret or Literal, alone or with | None"
        )
    choices: tuple[Any, ...] = get_args(kinds[0])
    kind = choices[0].__class__ if choices else kinds[0]
    return Option(
        name=field.name,
        kind=kind,
        choices=choices,
        optional=NoneType in types,
        limits=_limits(field.name, kind, metas),
        default=_default(field),
        description=_last(metas, "description") or "",
        was=_was(field.name, metas),
    )


def _flatten(annotation: Any) -> tuple[list[Any], list[Meta]]:
    """The members of a union, and every Meta around or inside it, the outermost last."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extras = get_args(annotation)
        types, metas = _flatten(inner)
        return types, metas + [extra for extra in extras if isinstance(extra, Meta)]
    if origin is Union or origin is UnionType:
        parts = [_flatten(member) for member in get_args(annotation)]
        return [t for types, _ in parts for t in types], [m for _, metas in parts for m in metas]
    return [annotation], []


def _is_choice(annotation: Any) -> bool:
    if get_origin(annotation) is not Literal:
        return False
    members: tuple[Any, ...] = get_args(annotation)
    return all(isinstance(m, str) for m in members) or all(type(m) is int for m in members)


def _last(metas: list[Meta], attribute: str) -> Any:
    given = [getattr(meta, attribute) for meta in metas]
    return next((value for value in reversed(given) if value is not None), None)


def _limits(name: str, kind: type, metas: list[Meta]) -> dict[str, Any]:
    limits = {limit: _last(metas, limit) for limit in _LIMITS}
    given = {limit: bound for limit, bound in limits.items() if bound is not None}
    for limit in given:
        if kind not in _LIMITS[limit][0]:
            raise TypeError(f"field {name!r}: {limit} does not fit {_KINDS[kind]}")
    return given


def _default(field: FieldInfo) -> Any:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    if field.default is NODEFAULT:
        raise TypeError(f"field {field.name!r} has no default: every option needs one, or None")
    return field.default


def _was(name: str, metas: list[Meta]) -> tuple[str, ...]:
    extra: dict[str, Any] = _last(metas, "extra") or {}
    earlier: Any = extra.get("was", [])
    if type(earlier) not in (list, tuple) or not all(
        isinstance(each, str) and _NAME.fullmatch(each) for each in earlier
    ):
        raise TypeError(f"field {name!r}: expected extra={{'was': ['earlier_name']}}")
    return tuple(earlier)
