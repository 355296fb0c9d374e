"""`@task`: what a function has to be, what it keeps, and what calling it does."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

from asynctasq import task
from asynctasq.errors import ConfigError, TaskDefinitionError

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


@task
async def welcome(user_id: int, greeting: str = "hello", *, loud: bool = False) -> str:
    """Greet somebody."""
    return f"{greeting} {user_id}{'!' if loud else ''}"


def run(call: Any) -> Any:
    """What a worker would run of this call, in this process."""
    call.spend()
    definition = call.definition
    result = definition.load(definition.arguments.encode(call.bound)).execute()
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def test_a_task_keeps_its_functions_name_docstring_and_signature() -> None:
    assert welcome.__name__ == "welcome"
    assert welcome.__doc__ == "Greet somebody."
    assert welcome.__module__ == __name__
    assert list(inspect.signature(welcome).parameters) == ["user_id", "greeting", "loud"]
    assert welcome.name == f"{__name__}.welcome"


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (lambda: welcome(1), "hello 1"),
        (lambda: welcome(1, "hi"), "hi 1"),
        (lambda: welcome(user_id=1, loud=True), "hello 1!"),
        (lambda: welcome(1, loud=True, greeting="hi"), "hi 1!"),
    ],
)
def test_arguments_are_given_as_to_the_function(call: Any, result: str) -> None:
    assert run(call()) == result


@pytest.mark.parametrize(
    "call",
    [
        lambda: welcome(),  # type: ignore[call-arg]
        lambda: welcome(1, "hi", True),  # type: ignore[misc]
        lambda: welcome(1, user_id=2),  # type: ignore[misc]
        lambda: welcome(1, volume=3),  # type: ignore[call-arg]
    ],
)
def test_arguments_that_no_call_takes_are_a_type_error_that_names_the_task(call: Any) -> None:
    with pytest.raises(TypeError, match="welcome"):
        call()


@pytest.mark.asyncio
async def test_call_runs_a_coroutine_function_here_and_now() -> None:
    assert await welcome.call(1, loud=True) == "hello 1!"


@pytest.mark.asyncio
async def test_call_runs_a_plain_function_in_a_thread() -> None:
    @task
    def where() -> threading.Thread:
        return threading.current_thread()

    assert await where.call() is not threading.current_thread()


def test_a_mutable_default_is_not_shared_by_runs() -> None:
    @task(name="functions.collect")
    def collect(item: int, into: list[int] = []) -> list[int]:  # noqa: B006
        into.append(item)
        return into

    assert run(collect(1)) == [1]
    assert run(collect(2)) == [2]


async def _generator() -> Any:
    yield 1


def _plain_generator() -> Any:
    yield 1


def _star(*numbers: int) -> None: ...
def _double_star(**numbers: int) -> None: ...
def _method(self: Any, number: int) -> None: ...
def _positional_only(number: int, /) -> None: ...


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_generator, "a generator cannot be a task"),
        (_plain_generator, "a generator cannot be a task"),
        (_star, r"'\*numbers'.*take a list or a dict"),
        (_double_star, r"'\*\*numbers'.*take a list or a dict"),
        (_method, "'self' cannot be passed by name"),
        (_positional_only, "'number' cannot be passed by name"),
        (functools.partial(_star, 1), "expected a function"),
        (len, "expected a function"),
        (dict, "derive from AsyncTask"),
        (staticmethod(_star), "expected a function"),
        ("welcome", "expected a function"),
    ],
)
def test_what_cannot_be_a_task_is_refused_when_it_is_decorated(function: Any, says: str) -> None:
    with pytest.raises(TaskDefinitionError, match=says):
        task(function)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"qeue": "mail"}, "no setting 'qeue'; did you mean 'queue'"),
        ({"queue": "my mail"}, "queue='my mail': expected letters"),
        ({"max_attempts": 0}, "max_attempts=0: expected a whole number from 1 on"),
        ({"max_attempts": True}, "max_attempts=True"),
        ({"retry_strategy": "linear"}, "'fixed' or 'exponential'"),
        ({"retry_delay": -1}, "retry_delay=-1: expected seconds >= 0"),
        ({"retry_delay": "5"}, "retry_delay='5'"),
        ({"timeout": 0}, "timeout=0: expected seconds > 0, or None"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"visibility_timeout": 0.5}, "expected seconds >= 1"),
        ({"visibility_timeout": float("inf")}, "visibility_timeout=inf"),
        ({"correlation_id": 7}, "correlation_id=7: expected a text, or None"),
        ({"driver": ""}, "the name of a driver"),
        ({"store_result": "no"}, "True or False"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as at_definition:
        task(name="functions.misconfigured", **config)(lambda: None)
    assert "functions.misconfigured" in str(at_definition.value)
    with pytest.raises(ConfigError, match=says):
        run(welcome(1).options(**config))


def test_an_annotation_that_is_only_there_for_checkers_is_named() -> None:
    @task
    def pay(amount: OnlyForCheckers) -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"pay'.*'OnlyForCheckers' is not defined"):
        pay(1)  # type: ignore[arg-type]


def test_an_annotation_that_cannot_be_told_apart_names_its_parameter() -> None:
    @task
    def pay(account: int, amount: str | bytes) -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"parameter 'amount': str \| bytes"):
        pay(1, "2")


def test_a_parameter_without_annotation_takes_plain_values() -> None:
    @task
    def show(value) -> Any:  # type: ignore[no-untyped-def]
        return value

    assert run(show({"a": [1, 2.5, None, "b", b"c"]})) == {"a": [1, 2.5, None, "b", b"c"]}
