"""Messages that wait in a backend can be read for ever: golden bytes of every version."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct

import asynctasq
from asynctasq import AsyncTask, TaskConfig, task
from asynctasq.codec import Envelope, decode_envelope, encode_envelope
from asynctasq.tasks import TASKS

GOLDEN = {
    path.stem: {name: bytes.fromhex(text) for name, text in tomllib.loads(path.read_text()).items()}
    for path in (Path(__file__).parent / "golden").glob("*.toml")
}
VERSION_1 = GOLDEN["version-1"]


class Row(Struct):
    at: datetime
    sum: Decimal
    blob: bytes


ROW = Row(datetime(2024, 2, 29, 12, 30, 0, 250_000, tzinfo=UTC), Decimal("12.50"), b"\x00\xff")
REPORT = {
    "rows": [ROW],
    "id": UUID("0190f5fe-7c00-7000-8000-000000000001"),
    "window": timedelta(hours=36, microseconds=1),
    "tags": {"a"},
    "days": (date(2024, 2, 29), time(23, 59, 59)),
}


def envelope(name: str, arguments: dict[str, Any], **fields: Any) -> Envelope:
    defaults: dict[str, Any] = {
        "max_attempts": 3,
        "retry_strategy": "exponential",
        "retry_delay": 60.0,
        "retry_max_delay": 3600.0,
        "timeout": None,
        "correlation_id": None,
        "store_result": True,
    }
    raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
    return Envelope(version=1, task=name, args=raw, **(defaults | fields))


EXPECTED = {
    "plain": envelope("app.mail.welcome", {"user_id": 42}),
    "every_option": envelope(
        "billing",
        {"order_id": 7, "note": None},
        max_attempts=8,
        retry_strategy="fixed",
        retry_delay=2.5,
        retry_max_delay=120.0,
        timeout=30.0,
        correlation_id="request-1",
        store_result=False,
    ),
    "unicode": envelope(
        "póst.send",
        {"text": "Grüße, 世界 🚀\0"},
        max_attempts=1,
        retry_delay=0.0,
        correlation_id="ångström",
    ),
    "nested": envelope("reports.build", REPORT, timeout=0.5),
}


def test_every_golden_message_is_expected_here() -> None:
    assert VERSION_1.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", VERSION_1)
def test_a_message_of_version_1_is_read_as_it_was_meant(name: str) -> None:
    read = decode_envelope(VERSION_1[name])
    expected = EXPECTED[name]
    for field in Envelope.__struct_fields__:
        if field != "args":
            assert getattr(read, field) == getattr(expected, field)
    assert bytes(read.args) == bytes(expected.args)


@pytest.mark.parametrize("name", VERSION_1)
def test_version_1_is_still_written_byte_for_byte(name: str) -> None:
    assert encode_envelope(EXPECTED[name]) == VERSION_1[name]


async def _build(
    rows: list[Row], id: UUID, window: timedelta, tags: set[str], days: tuple[date, time]
) -> dict[str, Any]:
    return {"rows": rows, "id": id, "window": window, "tags": tags, "days": days}


build = task(name="reports.build", timeout=0.5)(_build)


@pytest.mark.asyncio
async def test_the_arguments_of_a_golden_message_reach_its_task() -> None:
    read = decode_envelope(VERSION_1["nested"])
    assert await TASKS.get(read.task).load(read.args).execute() == REPORT


class Billing(AsyncTask[None], name="billing"):
    config: ClassVar[TaskConfig] = {
        "queue": "golden",
        "max_attempts": 5,
        "retry_strategy": "fixed",
        "timeout": 30.0,
    }
    order_id: int
    note: str | None = None

    async def execute(self) -> None:
        """Nothing to bill."""


@pytest.mark.asyncio
async def test_a_dispatch_writes_what_is_golden(backend) -> None:
    asynctasq.init({"driver": "memory", "default_retry_max_delay": 120})
    call = Billing(order_id=7).options(
        max_attempts=8, retry_delay=2.5, correlation_id="request-1", store_result=False
    )
    handle = await call.dispatch()
    stored = await backend.get(handle.ref)
    assert stored.body == VERSION_1["every_option"]
