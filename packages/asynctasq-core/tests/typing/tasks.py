"""What a type checker knows of tasks. A line that is ignored must be an error, or the check fails.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import ClassVar, assert_type

import asynctasq
from asynctasq import (
    AsyncProcessTask,
    AsyncTask,
    SyncProcessTask,
    SyncTask,
    TaskConfig,
    TaskHandle,
    task,
)
from asynctasq.driver import Context, SettlesInTransaction
from asynctasq.memory import MemoryDriver
from asynctasq.tasks import Call, FunctionTask


@task
async def plain(user_id: int, greeting: str = "hello") -> str:
    return f"{greeting} {user_id}"


@task(queue="mail", max_attempts=5, retry_delay=30, timeout=20, process=True)
async def configured(user_id: int) -> str:
    return str(user_id)


@task
def blocking(path: str, *, deep: bool) -> list[int]:
    return [len(path), deep]


class Invoice(AsyncTask[str]):
    config: ClassVar[TaskConfig] = {"queue": "billing", "visibility_timeout": 120}
    order_id: int
    copies: int = 1

    async def execute(self) -> str:
        return f"{self.order_id}" * self.copies


class Report(SyncTask[bytes]):
    title: str

    def execute(self) -> bytes:
        return self.title.encode()


class Render(SyncProcessTask[int]):
    def execute(self) -> int:
        return 1


class Crawl(AsyncProcessTask[None]):
    async def execute(self) -> None:
        return None


async def results_have_the_return_type_of_their_task() -> None:
    assert_type(plain(1), Call[str])
    handle = await plain(1, greeting="hi").on_queue("vip").delay(10).retry_after(5).dispatch()
    assert_type(handle, TaskHandle[str])
    assert_type(await handle.result(timeout=30), str)
    assert_type(handle.result_sync(), str)
    assert_type(await (await configured(1).dispatch()).result(), str)
    assert_type(await (await blocking("x", deep=True).dispatch()).result(), list[int])
    assert_type(await (await Invoice(order_id=7).dispatch()).result(), str)
    assert_type(await (await Invoice(7, copies=2).max_attempts(8).dispatch()).result(), str)
    assert_type(await (await Report(title="x").timeout(None).dispatch()).result(), bytes)
    assert_type(Render().dispatch_sync().result_sync(), int)
    assert_type(await (await Crawl().dispatch()).result(), None)


async def a_transaction_gives_what_its_driver_gives() -> None:
    async with asynctasq.transaction() as connection:
        await plain(1).dispatch(connection=connection)
    settling: SettlesInTransaction = MemoryDriver(None, Context())
    async with settling.transaction() as connection:
        pass


async def running_here_has_it_too() -> None:
    assert_type(await plain.call(1), str)
    assert_type(await blocking.call("x", deep=False), list[int])


async def many_of_one_kind_keep_it() -> None:
    handles = await asynctasq.dispatch_many([plain(i) for i in range(3)])
    assert_type(handles, list[TaskHandle[str]])
    assert_type(
        await asynctasq.dispatch_many([Invoice(order_id=1), Invoice(order_id=2)]),
        list[TaskHandle[str]],
    )


def a_decorated_function_is_a_task() -> None:
    typed: FunctionTask[[int], str] = configured
    assert_type(typed(3), Call[str])


def wrong_arguments_are_errors() -> None:
    plain("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    plain()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plain(1, grating="hi")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    configured(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    blocking("x", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Invoice(order_id="7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Invoice()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Report(subject="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def a_transaction_is_begun_by_a_call_and_async_with() -> None:
    async with asynctasq.transaction("dsn"):  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        pass
    async with asynctasq.transaction:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


def wrong_settings_are_errors() -> None:
    plain(1).on_queue(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    plain(1).delay("10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    plain(1).options(quue="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plain(1).options(max_attempts="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    task(max_attempts="x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def a_result_is_not_something_else() -> None:
    handle = await plain(1).dispatch()
    number: int = await handle.result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(number)


async def what_was_not_dispatched_has_no_result() -> None:
    await plain(1).result()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await plain(1)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
