"""Arguments come back as they were, by the task's own annotations, or are refused by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from asynctasq import task
from asynctasq.errors import ArgumentError
from asynctasq.tasks._arguments import Arguments, Parameter

INDIA = timezone(timedelta(hours=5, minutes=30))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0
    names: tuple[str, ...] = ()


class Order(Struct, frozen=True):
    id: UUID
    lines: list[Point]
    due: datetime | None = None


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict, total=False):
    depth: int
    label: str


def travelled(annotation: Any, value: Any) -> Any:
    """The value as its task would see it."""
    arguments = Arguments("tests.travel", (Parameter("value", annotation),))
    return arguments.decode(arguments.encode(arguments.bind((value,), {})))["value"]


integers = st.integers(-(2**63), 2**64 - 1)
zones = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
points = st.builds(
    Point, st.floats(allow_nan=False), names=st.lists(st.text(max_size=3)).map(tuple)
)
aware = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)
orders = st.builds(Order, st.uuids(), st.lists(points, max_size=2), st.none() | aware)
plain = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bool": (bool, st.booleans()),
    "int": (int, integers),
    "float": (float, st.floats(allow_nan=False)),
    "str": (str, st.text()),
    "bytes": (bytes, st.binary()),
    "datetime": (datetime, st.datetimes() | aware),
    "date": (date, st.dates()),
    "time": (time, st.times()),
    "timedelta": (timedelta, st.timedeltas(timedelta(-(10**8)), timedelta(10**8))),
    "Decimal": (Decimal, st.decimals(allow_nan=False)),
    "UUID": (UUID, st.uuids()),
    "Enum": (Colour, st.sampled_from(Colour)),
    "IntEnum": (Level, st.sampled_from(Level)),
    "Literal": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "list": (list[date], st.lists(st.dates())),
    "set": (set[int], st.sets(integers)),
    "frozenset": (frozenset[UUID], st.frozensets(st.uuids())),
    "tuple": (tuple[int, str, Colour], st.tuples(integers, st.text(), st.sampled_from(Colour))),
    "long tuple": (tuple[bytes, ...], st.lists(st.binary()).map(tuple)),
    "dict": (dict[str, Decimal], st.dictionaries(st.text(), st.decimals(allow_nan=False))),
    "dict by int": (dict[int, set[str]], st.dictionaries(integers, st.sets(st.text()))),
    "dict by UUID": (dict[UUID, Point], st.dictionaries(st.uuids(), points)),
    "dataclass": (Point, points),
    "Struct": (Order, orders),
    "NamedTuple": (Pair, st.builds(Pair, integers, st.text())),
    "TypedDict": (Options, st.fixed_dictionaries({}, optional={"depth": integers})),
    "nested": (
        dict[str, tuple[list[Order | None], ...]],
        st.dictionaries(st.text(), st.tuples(st.lists(st.none() | orders, max_size=2)), max_size=2),
    ),
    "union": (int | str | Point | None, integers | st.text() | points | st.none()),
    "Any": (Any, plain),
    "object": (object, plain),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_value_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    annotation, values = KINDS[kind]
    value = data.draw(values)
    arrived = travelled(annotation, value)
    assert type(arrived) is type(value)
    assert arrived == value


def test_an_aware_datetime_keeps_its_instant() -> None:
    there = datetime(2024, 3, 31, 2, 30, tzinfo=INDIA)
    assert travelled(datetime, there) == there
    assert travelled(datetime, datetime(2024, 3, 31, 2, 30)).tzinfo is None
    assert travelled(datetime, datetime(2024, 1, 1, tzinfo=UTC)).tzinfo is UTC


class Opaque:
    """What no message can hold."""


@dataclass(frozen=True)
class Circle(Point):
    """A kind of point with more to it."""

    radius: int = field(default=1, kw_only=True)


class BigOrder(Order, frozen=True):
    total: int = 0


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@dataclass
class Even:
    """Refuses some values when it is made, as its own author wishes."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise LookupError("odd")


def _odd() -> Even:
    even = Even(2)
    even.number = 3
    return even


ORDER = BigOrder(UUID(int=5), [], None, 5)
REFUSED: list[tuple[Any, Any]] = [
    (Opaque, Opaque()),
    (Opaque, 5),
    (Any, Opaque()),
    (Path, Path("/tmp")),
    (Even, _odd()),
    (int, "1"),
    (int, True),
    (int, 2**64),
    (str, "\ud800"),
    (list[int], [1, "2"]),
    (dict[str, int], {1: 1}),
    (Colour, "green"),
    (Any, _endless()),
    (Any, (1, 2)),
    (Any, {1, 2}),
    (Any, Colour.RED),
    (Any, Decimal(1)),
    (Any, Point(1)),
    (object, [Point(1)]),
    (dict[str, Any], {"when": date(2024, 1, 1)}),
    (list, [UUID(int=4)]),
    (Point, Circle(1)),
    (list[Point], [Point(1), Circle(1)]),
    (Order, ORDER),
    (list[Order], [ORDER]),
    (Sequence[Order], (ORDER,)),
    (dict[str, Order], {"a": ORDER}),
    (Options, {"depth": 1, "unknown": 2}),
]


def _named(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=_named)
def test_what_would_not_come_back_is_refused_by_name(annotation: Any, value: Any) -> None:
    arguments = Arguments(
        "tests.refusing", (Parameter("first", int), Parameter("culprit", annotation))
    )
    with pytest.raises(ArgumentError, match=r"'tests\.refusing', argument 'culprit'") as raised:
        arguments.encode(arguments.bind((1, value), {}))
    assert type(value).__qualname__ in str(raised.value)


def test_a_sequence_may_be_given_as_a_list_or_as_a_tuple() -> None:
    assert travelled(Sequence[Point], (Point(1), Point(2))) == [Point(1), Point(2)]
    assert travelled(tuple[Point, ...], [Point(1)]) == (Point(1),)


NAN = float("nan")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (float, NAN),
        (Any, NAN),
        (Any, [NAN, {"a": NAN}]),
        (Point, Point(1, NAN)),
        (Order, Order(UUID(int=5), [Point(NAN)], datetime(2024, 1, 1, tzinfo=INDIA))),
    ],
)
def test_nan_is_no_reason_to_refuse(annotation: Any, value: Any) -> None:
    assert repr(NAN) in repr(travelled(annotation, value))


def test_classes_without_equality_are_compared_by_their_fields() -> None:
    @dataclass(eq=False)
    class Base:
        number: float

    @dataclass(eq=False)
    class Derived(Base):
        more: int = 1

    assert travelled(list[Base], [Base(1)])[0].number == 1
    with pytest.raises(ArgumentError):
        travelled(list[Base], [Derived(1)])


def test_an_int_where_a_float_is_meant_is_a_float() -> None:
    arrived = travelled(Point, Point(1, 2))
    assert arrived == Point(1.0, 2.0)
    assert math.copysign(1, travelled(float, -0.0)) == -1


@task
def describe(opaque: Opaque, number: int = 1) -> None: ...


@pytest.mark.asyncio
async def test_nothing_is_sent_when_an_argument_is_refused(queue: str, stored) -> None:
    with pytest.raises(ArgumentError, match="argument 'opaque'"):
        await describe(Opaque()).on_queue(queue).dispatch()
    assert await stored() == []
