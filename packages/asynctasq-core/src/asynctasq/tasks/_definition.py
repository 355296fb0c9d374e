"""What is known of a task once it is defined: the one object that both sides work with."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any, Final, Generic, Protocol, TypeVar, get_args

import msgspec
from msgspec import Raw

from asynctasq.codec import decode_value
from asynctasq.errors import PayloadError, TaskDefinitionError
from asynctasq.registry import Origin, Registry, qualified_name
from asynctasq.tasks._arguments import Arguments, Parameter, read_object, resolve
from asynctasq.tasks._config import TaskConfig

R = TypeVar("R")


class Runnable(Protocol):
    """A task with its arguments, ready to run."""

    def execute(self) -> Any:
        """Run one attempt: a coroutine, or the value itself."""
        ...

    def should_retry(self, error: Exception) -> bool:
        """Whether this error deserves another attempt, where one is left."""
        ...

    def failed(self, error: Exception) -> Any:
        """The task is dead; a coroutine or nothing."""
        ...


@dataclass(frozen=True, eq=False)
class Definition(Generic[R]):
    """A registered task. Annotations are evaluated at its first use, when all names exist."""

    name: str
    origin: Origin
    module: str
    """Where another process imports it from."""
    code: CodeType | None
    """What its function was made of; two functions of one code differ in what they enclose."""
    config: TaskConfig
    is_async: bool
    in_process: bool
    hints: Callable[[], dict[str, Any]]
    declared: Callable[[dict[str, Any]], tuple[Parameter, ...]]
    make: Callable[[dict[str, Any]], Runnable]
    returns: Callable[[], Any]

    def check_latest(self) -> None:
        """Raise `TaskDefinitionError` if the same lines have made another task of this name since.

        They do when they are in a function or a loop. A worker would run the latest of them.
        """
        latest = TASKS.get(self.name)
        if latest is not self and self.code is not None and latest.code is self.code:
            raise TaskDefinitionError(
                f"task {self.name!r} was made again by the same lines ({self.origin}), and workers "
                "would run the latest: give each a name of its own with name="
            )

    @cached_property
    def arguments(self) -> Arguments:
        """The codec of its parameters."""
        return Arguments(self.name, self.declared(self.hints()))

    @cached_property
    def _result(self) -> msgspec.msgpack.Decoder[R]:
        try:
            return msgspec.msgpack.Decoder(self.returns(), dec_hook=read_object)
        except TypeError as error:
            raise TaskDefinitionError(
                f"task {self.name!r}: its return annotation cannot be read: {error}"
            ) from error

    def load(self, raw: Raw) -> Runnable:
        """The task as it was sent; raises `PayloadError` where its arguments do not fit."""
        arguments = self.arguments.decode(raw)
        try:
            return self.make(arguments)
        except Exception as error:  # of its own __post_init__
            raise PayloadError(
                f"task {self.name!r} refuses the arguments it was sent with: "
                f"{type(error).__qualname__}: {error}"
            ) from error

    def read_result(self, raw: bytes) -> R:
        """A stored result, by the task's return annotation; raises `PayloadError`."""
        value: R = decode_value(raw, self._result)
        return value


TASKS: Final[Registry[Definition[Any]]] = Registry()
"""Every task that this process's own code has defined."""


def origin_of(owner: Any, line: int) -> Origin:
    """Where a function or class was written."""
    try:
        file = os.path.realpath(inspect.getfile(owner))
    except (TypeError, OSError):  # a class of an interactive __main__ has no file
        file = "<interactive>"
    return Origin(owner.__qualname__, file, line)


def module_of(owner: Any) -> str:
    """The module that defines it, under the name that others import it by."""
    return qualified_name(owner.__module__, "").removesuffix(".")


def name_of(owner: Any, name: Any) -> str:
    """The name that messages will carry."""
    if name is None:
        return qualified_name(owner.__module__, owner.__qualname__)
    if not isinstance(name, str) or not name or len(name) > 250 or not name.isprintable():
        raise TaskDefinitionError(f"name={name!r}: expected 1 to 250 printable characters")
    return name


def return_annotation(name: str, function: Callable[..., Any]) -> Any:
    """What a function says it returns; ``Any`` where it does not say, or where it is generic."""
    annotation = resolve(name, function).get("return", Any)
    generic = isinstance(annotation, TypeVar) or any(
        isinstance(argument, TypeVar) for argument in get_args(annotation)
    )
    return Any if generic else annotation
