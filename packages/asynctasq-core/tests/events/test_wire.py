"""Events as bytes: all nine come back, golden ones for ever, and unknown ones harm nothing."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from asynctasq.events import (
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEnqueued,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
    WorkerHeartbeat,
    WorkerOffline,
    WorkerOnline,
    decode_events,
    encode_events,
)

ID = UUID("01a21a29-822d-7f99-b679-bcd2bfba6967")
TASK = {"at": 1.5, "id": ID, "task": "shop.welcome", "queue": "mail", "attempt": 2, "worker": "w:1"}
WORKER = {"at": 1.5, "worker": "w:1", "queues": ("mail",), "concurrency": 10}
ALL: list[Event] = [
    TaskEnqueued(**TASK, delay=3.0),
    TaskStarted(**TASK, deliveries=3, correlation_id="c-1"),
    TaskCompleted(**TASK, seconds=0.5),
    TaskFailed(**TASK, final=True, error_type="ValueError", error="[red]no\x1b[0m", seconds=0.5),
    TaskReenqueued(**TASK, delay=60.0),
    TaskCancelled(**TASK, reason="timeout"),
    WorkerOnline(**WORKER),
    WorkerHeartbeat(**WORKER, running=1, completed=2, failed=3),
    WorkerOffline(**WORKER, completed=2, failed=3),
]
GOLDEN = bytes.fromhex(
    "9189a56576656e74ae7461736b5f636f6d706c65746564a26174cb3ff8000000000000a26964d92430316132316132"
    "392d383232642d376639392d623637392d626364326266626136393637a47461736bac73686f702e77656c636f6d65"
    "a57175657565a46d61696ca7617474656d707402ae636f7272656c6174696f6e5f6964c0a6776f726b6572a3773a31"
    "a77365636f6e6473cb3fe0000000000000"
)


def test_all_nine_come_back_as_they_were() -> None:
    assert len({type(event) for event in ALL}) == 9
    assert list(decode_events(encode_events(ALL))) == ALL


def test_the_first_version_is_read_for_ever() -> None:
    assert decode_events(GOLDEN) == (TaskCompleted(**TASK, seconds=0.5),)
    assert encode_events([TaskCompleted(**TASK, seconds=0.5)]) == GOLDEN


def test_what_a_newer_version_tells_is_passed_over() -> None:
    known = msgspec.to_builtins(ALL[2], builtin_types=(bytes,))
    batch = [{"event": "task_paused", "at": 1.0}, {**known, "colour": "red"}, {"event": 7}, 7]
    assert decode_events(msgspec.msgpack.encode(batch)) == (ALL[2],)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"hello", msgspec.msgpack.encode({"event": 1})])
def test_what_is_no_batch_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_events(data)


def test_a_damaged_event_takes_no_other_with_it() -> None:
    good = encode_events([ALL[2]])[1:]
    damaged = b"\x82\xa5event\xaeworker_offline\xa6worker\xa2\xff\xfe"
    assert decode_events(b"\x93" + good + damaged + good) == (ALL[2], ALL[2])
