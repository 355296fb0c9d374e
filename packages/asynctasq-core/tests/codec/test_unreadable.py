"""Whatever bytes a backend hands out, reading them ends in a value or in a PayloadError."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynctasq import AsyncTask, task
from asynctasq.codec import Envelope, decode_envelope, encode_envelope
from asynctasq.errors import PayloadError
from asynctasq.tasks import TASKS

encode = msgspec.msgpack.encode
FIELDS = (1, "a.task", {}, 3, "fixed", 1.0, 60.0, None, None, True)
WHOLE = encode(FIELDS)
DEEP = b"\x91" * 100_000 + b"\xc0"
"""A hundred thousand arrays, each in the one before."""


def changed(**fields: object) -> bytes:
    """The envelope with other fields."""
    names = Envelope.__struct_fields__
    return encode([fields.get(name, value) for name, value in zip(names, FIELDS, strict=True)])


@pytest.mark.parametrize("version", [0, 2, 3, -1, 2**40])
def test_an_unknown_version_says_what_to_upgrade(version: int) -> None:
    body = encode([version, *FIELDS[1:], "a field of later"])
    with pytest.raises(PayloadError, match=rf"version {version} of .* upgrade asynctasq-core"):
        decode_envelope(body)


def test_every_truncation_is_refused() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(PayloadError):
            decode_envelope(WHOLE[:length])


@pytest.mark.parametrize(
    "body",
    [
        b"not a task",
        b"\xc1",
        encode({"task": "by name"}),
        encode(None),
        WHOLE + b"\0",
        WHOLE.replace(b"a.task", b"\xff.task"),
        b"\x9a\x01\xa6a.task" + DEEP + WHOLE[10:],
        changed(max_attempts=0),
        changed(retry_delay=-1.0),
        changed(retry_delay=float("nan")),
        changed(timeout=-0.5),
        changed(timeout=float("nan")),
        changed(retry_strategy="quadratic"),
        changed(store_result=1),
    ],
)
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        decode_envelope(body)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_another_error(body: bytes) -> None:
    with suppress(PayloadError):
        decode_envelope(body)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4))
def test_no_damaged_bytes_end_in_another_error(damage: list[tuple[int, int]]) -> None:
    body = bytearray(WHOLE)
    for place, byte in damage:
        body[place] = byte
    with suppress(PayloadError):
        decode_envelope(bytes(body))


@dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise KeyError("odd")


@task(name="codec.halve")
def halve(even: Even) -> float:
    return even.number / 2


class Refusing(AsyncTask[None], name="codec.refusing"):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise LookupError("negative")

    async def execute(self) -> None:
        """Only made, never run."""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("codec.halve", {"even": {"number": 1}}),
        ("codec.halve", {"even": "text"}),
        ("codec.halve", {"even": {"number": 2}, "unknown": 1}),
        ("codec.halve", {}),
        ("codec.halve", []),
        ("codec.refusing", {"number": -1}),
    ],
)
def test_arguments_that_do_not_fit_their_task_are_refused(name: str, arguments: object) -> None:
    with pytest.raises(PayloadError):
        TASKS.get(name).load(msgspec.Raw(encode(arguments)))


@pytest.mark.parametrize("raw", [DEEP, b"\x81\xa4even\xa1\xff", b""])
def test_damaged_arguments_are_refused(raw: bytes) -> None:
    with pytest.raises(PayloadError):
        TASKS.get("codec.halve").load(msgspec.Raw(raw))


def test_a_result_that_does_not_fit_its_annotation_is_refused() -> None:
    with pytest.raises(PayloadError, match="does not fit its annotation"):
        halve.definition.read_result(encode("text"))


def test_an_argument_that_its_task_gained_since_has_its_default() -> None:
    @task(name="codec.grown")
    def grown(old: int, new: str = "default") -> str:
        return f"{old} {new}"

    assert TASKS.get("codec.grown").load(msgspec.Raw(encode({"old": 1}))).execute() == "1 default"


def test_what_is_encoded_is_decoded() -> None:
    envelope = decode_envelope(WHOLE)
    assert encode_envelope(envelope) == WHOLE
