"""Whether an argument comes back as it was sent, where being readable does not prove that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


def comparison(annotation: Any) -> Callable[[Any, Any], bool] | None:
    """How to tell that a value comes back as it was, where reading it does not prove that.

    ``Any`` may be read back as another type; of a subclass, the fields that it adds are not read.
    """
    parts = _all_parts(msgspec.inspect.type_info(annotation))
    if any(isinstance(part, msgspec.inspect.AnyType) or _is_object(part) for part in parts):
        return _same
    return _alike if any(hasattr(part, "fields") for part in parts) else None


def _is_object(info: Any) -> bool:
    return isinstance(info, msgspec.inspect.CustomType) and info.cls is object


def _all_parts(info: Any) -> list[Any]:
    """A type, and all the types within it."""
    pending, found = [info], dict[int, Any]()
    while pending:
        part = pending.pop()
        if id(part) not in found:
            found[id(part)] = part
            pending += _parts(part)
    return list(found.values())


def _parts(info: Any) -> list[Any]:
    """The types that a type is made of."""
    parts = [getattr(info, name, None) for name in ("item_type", "key_type", "value_type", "type")]
    parts += getattr(info, "item_types", ())
    parts += getattr(info, "types", ())
    parts += [field.type for field in getattr(info, "fields", ())]
    return [part for part in parts if isinstance(part, msgspec.inspect.Type)]


def _same(sent: Any, arrived: Any) -> bool:
    return type(sent) is type(arrived) and _alike(sent, arrived, exact=True)


def _alike(sent: Any, arrived: Any, *, exact: bool = False) -> bool:
    """Equal, NaN to itself as well; unless ``exact``, a tuple to the list that it arrived as."""
    if sent == arrived or (sent != sent and arrived != arrived):
        return True
    same_type = type(sent) is type(arrived)
    if _is_sequence(sent) and _is_sequence(arrived) and (same_type or not exact):
        pairs = zip(sent, arrived, strict=False)
        return len(sent) == len(arrived) and all(_alike(a, b, exact=exact) for a, b in pairs)
    if _is_map(sent) and same_type:
        return sent.keys() == arrived.keys() and all(
            _alike(value, arrived[key], exact=exact) for key, value in sent.items()
        )
    fields = _fields_of(type(sent))
    return (
        same_type
        and fields != ()
        and all(_alike(getattr(sent, name), getattr(arrived, name), exact=exact) for name in fields)
    )


def _is_sequence(value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_map(value: object) -> bool:
    return isinstance(value, dict)


def _fields_of(kind: Any) -> tuple[str, ...]:
    """Names of what objects of a type that can be sent are made of; () for plain values."""
    of_attrs = (attribute.name for attribute in getattr(kind, "__attrs_attrs__", ()))
    declared = getattr(kind, "__struct_fields__", getattr(kind, "__dataclass_fields__", of_attrs))
    return tuple(declared)
