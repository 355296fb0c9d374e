"""``@task``: a function as a task."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

import msgspec

from asynctasq.errors import TaskDefinitionError
from asynctasq.tasks._arguments import Parameter, resolve
from asynctasq.tasks._call import Call
from asynctasq.tasks._config import TaskConfig, check_config
from asynctasq.tasks._definition import (
    TASKS,
    Definition,
    module_of,
    name_of,
    origin_of,
    return_annotation,
)

P = ParamSpec("P")
R = TypeVar("R")


class FunctionTask(Generic[P, R]):
    """A function that was made a task. Calling it gives a `Call`, to be dispatched."""

    def __init__(
        self, function: Callable[P, Any], name: str | None, process: bool, config: TaskConfig
    ) -> None:
        _check_kind(function)
        functools.update_wrapper(self, function)
        self.function: Callable[P, Any] = function
        self.name: str = name_of(function, name)
        self.config: TaskConfig = check_config(config, f"task {self.name!r}")
        _check_signature(self.name, function)
        self.definition: Definition[R] = Definition(
            name=self.name,
            origin=origin_of(function, function.__code__.co_firstlineno),
            module=module_of(function),
            code=function.__code__,
            config=self.config,
            is_async=inspect.iscoroutinefunction(function),
            in_process=process,
            hints=lambda: resolve(self.name, function),
            declared=lambda hints: _parameters(function, hints),
            make=lambda arguments: _FunctionRun(function, arguments),
            returns=lambda: return_annotation(self.name, function),
        )
        TASKS.add(self.definition)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """The task with these arguments. Nothing runs, and nothing is sent before `dispatch`."""
        return Call(self.definition, self.definition.arguments.bind(args, kwargs), {})

    async def call(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now, without queue; one that blocks runs in a thread."""
        if self.definition.is_async:
            answer: Any = self.function(*args, **kwargs)
        else:
            answer = await asyncio.to_thread(self.function, *args, **kwargs)
        value: R = await answer if inspect.isawaitable(answer) else answer
        return value

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"


class _FunctionRun:
    """One attempt of a function task."""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self._function = function
        self._arguments = arguments

    def execute(self) -> Any:
        return self._function(**self._arguments)

    def should_retry(self, error: Exception) -> bool:
        return True

    def failed(self, error: Exception) -> None:
        return None


class TaskDecorator(Protocol):
    """What ``@task(...)`` is."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> FunctionTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> FunctionTask[P, R]: ...
@overload
def task(function: Callable[P, R], /) -> FunctionTask[P, R]: ...
@overload
def task(
    *, name: str | None = None, process: bool = False, **config: Unpack[TaskConfig]
) -> TaskDecorator: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    process: bool = False,
    **config: Unpack[TaskConfig],
) -> Any:
    """Make a function a task: ``async def`` runs on the worker's loop, ``def`` in a thread.

    ``name``: what messages call it, instead of ``module.qualname``. ``process``: run it in a child
    process. The rest are settings of `TaskConfig`. Raises `TaskDefinitionError` and `ConfigError`
    where they cannot be.
    """

    def decorate(function: Callable[..., Any]) -> FunctionTask[Any, Any]:
        return FunctionTask(function, name, process, config)

    return decorate if function is None else decorate(function)


def _check_kind(function: Any) -> None:
    if not inspect.isfunction(function):
        raise TaskDefinitionError(
            f"@task on {function!r}: expected a function; for a class, derive from AsyncTask"
        )


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TaskDefinitionError(f"task {name!r}: a generator cannot be a task: it never returns")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TaskDefinitionError(
                f"task {name!r}: parameter '{parameter.replace(annotation=parameter.empty)}': "
                "every parameter travels under a name of its own; take a list or a dict instead"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY or parameter.name == "self":
            raise TaskDefinitionError(
                f"task {name!r}: parameter {parameter.name!r} cannot be passed by name; a task is "
                "a function of its own, no method, and has no positional-only parameters"
            )


def _parameters(function: Callable[..., Any], hints: dict[str, Any]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            name=p.name,
            annotation=hints.get(p.name, Any),
            default=msgspec.UNSET if p.default is p.empty else p.default,
            keyword_only=p.kind is p.KEYWORD_ONLY,
        )
        for p in inspect.signature(function).parameters.values()
    )
