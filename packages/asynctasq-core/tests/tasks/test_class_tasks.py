"""Tasks as classes: fields as in a dataclass; what cannot be a task is refused at once."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import InitVar, field
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from asynctasq import AsyncProcessTask, AsyncTask, SyncProcessTask, SyncTask, TaskConfig
from asynctasq.errors import ArgumentError, ConfigError, TaskDefinitionError
from asynctasq.tasks import TASKS

T = TypeVar("T")


def run(made: Any) -> Any:
    """What a worker would run of this task, in this process."""
    call = made.prepared()
    call.spend()
    definition = call.definition
    result = definition.load(definition.arguments.encode(call.bound)).execute()
    return asyncio.run(result) if inspect.iscoroutine(result) else result


class Report(AsyncTask[list[Any]]):
    """Fields of every kind."""

    config: ClassVar[TaskConfig] = {"queue": "reports", "max_attempts": 7}
    limit: ClassVar[int] = 10
    title: str
    tags: list[str] = field(default_factory=list)
    draft: bool = field(default=False, kw_only=True)
    pages: int = 1

    async def execute(self) -> list[Any]:
        self.tags.append("run")
        return [self.title, self.tags, self.draft, self.pages]


@pytest.mark.parametrize(
    ("made", "result"),
    [
        (lambda: Report("a"), ["a", ["run"], False, 1]),
        (lambda: Report("a", ["x"], 3), ["a", ["x", "run"], False, 3]),
        (lambda: Report(title="a", pages=2, draft=True), ["a", ["run"], True, 2]),
    ],
)
def test_fields_are_what_is_given_and_what_is_sent(made: Any, result: list[Any]) -> None:
    assert run(made()) == result
    assert run(made()) == result


def test_what_is_sent_is_the_task_as_it_is_when_it_is_dispatched() -> None:
    report = Report("draft")
    report.title = "final"
    assert run(report)[0] == "final"


@pytest.mark.parametrize("make", [lambda: Report(), lambda: Report("a", draft=1, nonsense=2)])  # type: ignore[call-arg]
def test_fields_that_are_missing_or_unknown_are_a_type_error(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


def test_a_field_of_the_wrong_type_is_refused_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"Report', argument 'pages': .* type str"):
        run(Report("a", pages="many"))  # type: ignore[arg-type]


class Invoice(AsyncTask[str]):
    config: ClassVar[TaskConfig] = {"queue": "billing"}
    order_id: int

    async def execute(self) -> str:
        return f"order {self.order_id}"


class LateInvoice(Invoice):
    fee: int = 5

    async def execute(self) -> str:
        return f"{await super().execute()} plus {self.fee}"


class SameInvoice(Invoice):
    """All of it is inherited."""


def test_a_subclass_is_a_task_of_its_own_with_inherited_fields_and_settings() -> None:
    assert run(LateInvoice(7)) == "order 7 plus 5"
    assert run(SameInvoice(7)) == "order 7"
    names = {TASKS.get(f"{__name__}.{name}") for name in ("Invoice", "LateInvoice", "SameInvoice")}
    assert len(names) == 3
    assert {definition.config["queue"] for definition in names} == {"billing"}


class Importing(AsyncTask[T], Generic[T]):
    """A base without execute() is no task."""

    source: str


class ImportNumbers(Importing[int]):
    async def execute(self) -> int:
        return int(self.source)


def test_a_base_without_execute_is_no_task_but_serves_others() -> None:
    assert f"{__name__}.Importing" not in TASKS.names()
    with pytest.raises(TaskDefinitionError, match=r"Importing has no execute\(\)"):
        Importing("1").prepared()
    assert run(ImportNumbers("42")) == 42


def test_the_four_kinds_say_where_they_run() -> None:
    kinds = {}
    for base in (AsyncTask, AsyncProcessTask):

        class Coroutine(base, name=f"kinds.{base.__name__}"):  # type: ignore[valid-type, misc]
            async def execute(self) -> None: ...

        kinds[base.__name__] = Coroutine
    for base in (SyncTask, SyncProcessTask):

        class Plain(base, name=f"kinds.{base.__name__}"):  # type: ignore[valid-type, misc]
            def execute(self) -> None: ...

        kinds[base.__name__] = Plain
    found = {name: TASKS.get(f"kinds.{name}") for name in kinds}
    assert {name: (d.is_async, d.in_process) for name, d in found.items()} == {
        "AsyncTask": (True, False),
        "AsyncProcessTask": (True, True),
        "SyncTask": (False, False),
        "SyncProcessTask": (False, True),
    }


async def _execute(self: Any) -> None: ...


CHAIN = ["on_queue", "delay", "retry_after", "max_attempts", "timeout", "visibility_timeout"]
CHAIN += ["correlation_id", "options", "dispatch", "dispatch_sync"]


@pytest.mark.parametrize("name", [*CHAIN, "execute", "should_retry", "failed"])
def test_a_field_that_would_shadow_what_every_task_has_is_refused(name: str) -> None:
    body = {"__annotations__": {name: int}, "execute": _execute}
    with pytest.raises(TaskDefinitionError, match=f"'{name}' would hide"):
        type("Shadowing", (AsyncTask,), body | ({name: 1} if name == "execute" else {}))


@pytest.mark.parametrize("name", CHAIN)
def test_a_method_that_would_shadow_the_chain_is_refused_wherever_it_comes_from(name: str) -> None:
    mixin = type("Mixin", (), {name: lambda self: None})
    with pytest.raises(TaskDefinitionError, match=f"'{name}' would hide"):
        type("Shadowing", (AsyncTask,), {name: mixin.__dict__[name], "execute": _execute})
    with pytest.raises(TaskDefinitionError, match=f"'{name}' would hide"):
        type("Shadowing", (mixin, AsyncTask), {"execute": _execute})


def _init(self: Any, other: int) -> None: ...


async def _should_retry(self: Any, error: Exception) -> bool:
    return False


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"execute": lambda self: None}, r"execute\(\) of this kind of task is async def"),
        ({"execute": _execute, "__init__": _init}, "without __init__ or InitVar"),
        (
            {"execute": _execute, "__annotations__": {"seed": InitVar[int]}},
            "without __init__ or InitVar",
        ),
        ({"execute": _execute, "__annotations__": {"tags": list}, "tags": []}, "default_factory"),
        ({"execute": _execute, "__annotations__": {"config": dict}, "config": {}}, "ClassVar"),
        ({"execute": _execute, "should_retry": _should_retry}, r"should_retry\(\) of any task"),
    ],
)
def test_a_class_that_cannot_work_is_refused_when_it_is_made(body: Any, says: str) -> None:
    with pytest.raises(TaskDefinitionError, match=says):
        type("Broken", (AsyncTask,), body)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"max_atempts": 3}, "no setting 'max_atempts'; did you mean 'max_attempts'"),
        ({"timeout": -1}, "timeout=-1: expected seconds > 0"),
        (["queue"], "expected a dict of settings"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_the_class_is_made(config: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        type("Misconfigured", (AsyncTask,), {"config": config, "execute": _execute})
