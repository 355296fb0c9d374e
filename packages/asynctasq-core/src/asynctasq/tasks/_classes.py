"""Tasks as classes: fields are what is sent, ``execute`` is what runs."""

from __future__ import annotations

import dataclasses
import inspect
from abc import abstractmethod
from typing import Any, ClassVar, TypeVar, dataclass_transform

import msgspec

from asynctasq.errors import TaskDefinitionError
from asynctasq.tasks._arguments import Parameter, resolve
from asynctasq.tasks._call import Call, Chain
from asynctasq.tasks._config import TaskConfig, check_config
from asynctasq.tasks._definition import (
    TASKS,
    Definition,
    module_of,
    name_of,
    origin_of,
    return_annotation,
)

R = TypeVar("R")
_CHAIN = frozenset(name for name in dir(Chain) if not name.startswith("__"))
"""What nothing in a task may be named: it would hide a method of the chain."""
_HOOKS = frozenset(("execute", "should_retry", "failed", "config"))
"""What a task may define, but not have as a field."""


@dataclass_transform(field_specifiers=(dataclasses.field,))
class ClassTask(Chain[R]):
    """What the four kinds have in common: a subclass becomes a dataclass and a registered task.

    ``class Invoice(AsyncTask[str], name="invoice")`` gives it another name than
    ``module.qualname``. A subclass without ``execute`` is a base for others, and no task.
    """

    config: ClassVar[TaskConfig] = {}
    """Settings of every call of this task."""
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    _definition: ClassVar[Definition[Any] | None] = None

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__:  # one of the four kinds
            return
        task = name_of(cls, name)
        try:
            dataclasses.dataclass(cls)
        except (TypeError, ValueError) as error:
            raise TaskDefinitionError(
                f"task {task!r}: {error} (fields are declared as in a dataclass; config is a "
                "ClassVar[TaskConfig])"
            ) from error
        _check(cls, task)
        cls._definition = None
        if not getattr(cls.execute, "__isabstractmethod__", False):
            cls._definition = _define(cls, task)
            TASKS.add(cls._definition)

    @abstractmethod
    def execute(self) -> Any:
        """What the task does. Its fields are there as attributes."""
        raise NotImplementedError

    def should_retry(self, error: Exception) -> bool:
        """Whether this error deserves another attempt, where one is left."""
        return True

    async def failed(self, error: Exception) -> None:
        """Called once, after the task has become dead. What it raises is only logged."""

    def prepared(self) -> Call[R]:
        definition = type(self)._definition
        if definition is None:
            raise TaskDefinitionError(f"{type(self).__qualname__} has no execute(): it is no task")
        values = {name: getattr(self, name) for name in _field_names(type(self))}
        return Call(definition, definition.arguments.bind((), values), {})


class AsyncTask(ClassTask[R]):
    """A coroutine on the worker's event loop."""

    @abstractmethod
    async def execute(self) -> R:
        """What the task does. Its fields are there as attributes."""
        raise NotImplementedError


class SyncTask(ClassTask[R]):
    """A plain function, in a thread of the worker."""

    @abstractmethod
    def execute(self) -> R:
        """What the task does. Its fields are there as attributes."""
        raise NotImplementedError


class AsyncProcessTask(ClassTask[R]):
    """A coroutine on the event loop of a child process."""

    @abstractmethod
    async def execute(self) -> R:
        """What the task does. Its fields are there as attributes."""
        raise NotImplementedError


class SyncProcessTask(ClassTask[R]):
    """A plain function in a child process: for work that keeps a CPU, or the GIL, to itself."""

    @abstractmethod
    def execute(self) -> R:
        """What the task does. Its fields are there as attributes."""
        raise NotImplementedError


def _define(cls: type[ClassTask[Any]], task: str) -> Definition[Any]:
    return Definition(
        name=task,
        origin=origin_of(cls, _line_of(cls)),
        module=module_of(cls),
        code=getattr(cls.execute, "__code__", None),
        config=cls.config,
        is_async=_is_async(cls),
        in_process=issubclass(cls, (AsyncProcessTask, SyncProcessTask)),
        hints=lambda: resolve(task, cls),
        declared=lambda hints: _parameters(cls, hints),
        make=lambda arguments: cls(**arguments),
        returns=lambda: return_annotation(task, cls.execute),
    )


def _line_of(cls: type[ClassTask[Any]]) -> int:
    """Where it begins; before Python 3.13 a class does not know, but its `execute` does."""
    of_execute: int = getattr(getattr(cls.execute, "__code__", None), "co_firstlineno", 0)
    line: int = getattr(cls, "__firstlineno__", of_execute)
    return line


def _check(cls: type[ClassTask[Any]], task: str) -> None:
    """Raise `TaskDefinitionError` or `ConfigError` for a class that cannot work as a task."""
    fields = _field_names(cls)
    hidden = {name for name in _CHAIN if getattr(cls, name) is not getattr(ClassTask, name)}
    for taken in sorted(_CHAIN & {*fields} | _HOOKS & {*fields} | hidden):
        raise TaskDefinitionError(
            f"task {task!r}: {taken!r} would hide what every task has under that name: "
            "choose another"
        )
    if {*inspect.signature(cls).parameters} != {*fields}:
        raise TaskDefinitionError(
            f"task {task!r}: what a task is made with are its fields ({', '.join(fields) or 'none'}"
            "); declare them with annotations, as in a dataclass, without __init__ or InitVar"
        )
    if inspect.iscoroutinefunction(cls.execute) is not _is_async(cls):
        expected = "async def" if _is_async(cls) else "def"
        raise TaskDefinitionError(f"task {task!r}: execute() of this kind of task is {expected}")
    if inspect.iscoroutinefunction(cls.should_retry):
        raise TaskDefinitionError(f"task {task!r}: should_retry() of any task is def")
    check_config(cls.config, f"task {task!r}")


def _is_async(cls: type[ClassTask[Any]]) -> bool:
    return issubclass(cls, (AsyncTask, AsyncProcessTask))


def _field_names(cls: type[ClassTask[Any]]) -> list[str]:
    return [field.name for field in dataclasses.fields(cls) if field.init]


def _parameters(cls: type[ClassTask[Any]], hints: dict[str, Any]) -> tuple[Parameter, ...]:
    missing = dataclasses.MISSING
    return tuple(
        Parameter(
            name=field.name,
            annotation=hints[field.name],
            default=msgspec.UNSET if field.default is missing else field.default,
            factory=msgspec.UNSET if field.default_factory is missing else field.default_factory,
            keyword_only=bool(field.kw_only),
        )
        for field in dataclasses.fields(cls)
        if field.init
    )
