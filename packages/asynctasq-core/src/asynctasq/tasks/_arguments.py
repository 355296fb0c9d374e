"""The parameters of a task: bound, checked and encoded on one side, decoded on the other.

They travel as a map from name to value. What is sent is decoded again before it leaves, by the
very annotations that the worker will use, so that nothing is stored which no worker can read.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct, UnsetType
from msgspec.structs import asdict

from asynctasq.codec import decode_value, encode
from asynctasq.errors import ArgumentError, TaskDefinitionError
from asynctasq.tasks._comparison import comparison


class Parameter(Struct, frozen=True):
    """One parameter, as its task declares it."""

    name: str
    annotation: Any
    default: Any = msgspec.UNSET
    factory: Callable[[], Any] | UnsetType = msgspec.UNSET
    keyword_only: bool = False


class Arguments:
    """The codec of one task's parameters."""

    def __init__(self, task: str, parameters: tuple[Parameter, ...]) -> None:
        self.task = task
        self._types = {p.name: p.annotation for p in parameters}
        for parameter in parameters:
            _check_sendable(task, parameter)
        self._struct = _struct(task, parameters)
        self._decoder = msgspec.msgpack.Decoder(self._struct, dec_hook=read_object)
        self._compared = {p.name: c for p in parameters if (c := comparison(p.annotation))}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Struct:
        """Arguments as the task would be called with; raises TypeError as a call would."""
        try:
            return self._struct(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.task}(): {error}") from None

    def encode(self, bound: Struct) -> Raw:
        """Encode what was bound; raises `ArgumentError` naming the argument that cannot travel."""
        try:
            raw = encode(bound)
            arrived = self._decoder.decode(raw)
        except Exception as error:
            raise self._refusal(bound) or ArgumentError(f"task {self.task!r}: {error}") from error
        for name, same in self._compared.items():
            if not same(getattr(bound, name), getattr(arrived, name)):
                raise self._changed(name, getattr(bound, name), getattr(arrived, name))
        return Raw(raw)

    def decode(self, raw: Raw) -> dict[str, Any]:
        """Arguments by name; raises `PayloadError` where they do not fit this task's parameters."""
        return asdict(decode_value(raw, self._decoder))

    def _refusal(self, bound: Struct) -> ArgumentError | None:
        """The first argument that, alone, cannot be encoded and read back."""
        for name, annotation in self._types.items():
            value = getattr(bound, name)
            try:
                msgspec.msgpack.decode(encode(value), type=annotation, dec_hook=read_object)
            except Exception as error:
                return ArgumentError(
                    f"task {self.task!r}, argument {name!r}: a value of type {_type_name(value)} "
                    f"cannot be sent as {_shown(annotation)}: {error}; send numbers, text, bytes, "
                    "dates, UUID, Decimal, Enum, containers, dataclasses or Structs, or an id of it"
                )
        return None

    def _changed(self, name: str, value: object, arrived: object) -> ArgumentError:
        return ArgumentError(
            f"task {self.task!r}, argument {name!r}: annotated as {_shown(self._types[name])}, "
            f"this {_type_name(value)} would come back as another value, of type "
            f"{_type_name(arrived)}; annotate the parameter with the exact type"
        )


def resolve(task: str, owner: Any) -> dict[str, Any]:
    """The evaluated annotations of a function or class."""
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except (NameError, AttributeError, TypeError) as error:
        raise TaskDefinitionError(
            f"task {task!r}: an annotation cannot be evaluated: {error}; the names that a task's "
            "annotations use must be importable at run time, in its module's own scope"
        ) from error


def _check_sendable(task: str, parameter: Parameter) -> None:
    try:
        msgspec.msgpack.Decoder(parameter.annotation, dec_hook=read_object)
    except TypeError as error:
        raise TaskDefinitionError(
            f"task {task!r}, parameter {parameter.name!r}: {_shown(parameter.annotation)} "
            f"cannot be sent: {error}"
        ) from error


def _struct(task: str, parameters: tuple[Parameter, ...]) -> type[Struct]:
    """A Struct with the parameters as fields, which binds like the task's own signature."""
    base = Struct
    for keyword_only in (False, True):
        fields = [_field(p) for p in parameters if p.keyword_only is keyword_only]
        base = msgspec.defstruct(
            task.rpartition(".")[2] or task,
            fields,
            bases=(base,),
            kw_only=keyword_only,
            forbid_unknown_fields=True,
        )
    return base


def _field(parameter: Parameter) -> tuple[str, Any, Any]:
    if parameter.factory is not msgspec.UNSET:
        return (
            parameter.name,
            parameter.annotation,
            msgspec.field(default_factory=parameter.factory),
        )
    if parameter.default is msgspec.UNSET:
        return parameter.name, parameter.annotation, msgspec.field()
    default = parameter.default
    return parameter.name, parameter.annotation, msgspec.field(default_factory=lambda: default)


def read_object(kind: type, value: object) -> object:
    """``object`` reads as ``Any`` does; msgspec asks for every type that it does not know."""
    if kind is object:
        return value
    raise TypeError(f"{kind.__qualname__} is not a type that can be sent")


def _type_name(value: object) -> str:
    return type(value).__qualname__


def _shown(annotation: Any) -> str:
    plain = isinstance(annotation, type) and not typing.get_args(annotation)
    return annotation.__qualname__ if plain else str(annotation).replace("typing.", "")
