"""Pages of dead letters, which a broker shows in no order, some of them twice."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from aiormq import spec
from aiormq.abc import DeliveredMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.header import ContentHeader

from asynctasq_drivers.rabbitmq._dead_letters import _First, _Place


def letter(died_at: float, id: UUID) -> Any:
    headers = {"x-asynctasq-died-at": repr(died_at)}
    properties = spec.Basic.Properties(message_id=str(id), headers=headers)
    header = ContentHeader(body_size=0, properties=properties)
    return DeliveredMessage(spec.Basic.Deliver("look", 1), header, b"", cast("Any", None))


@settings(deadline=None, max_examples=500)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=30), st.integers(1, 4))
def test_pages_hold_each_letter_once_whatever_comes_in_whichever_order(
    letters: list[tuple[int, int]], size: int
) -> None:
    listed: list[tuple[float, int]] = []
    after: _Place | None = None
    while True:
        page = _First("mail", size, after)
        for at, number in letters:
            page.pass_by(letter(float(at), UUID(int=number)))
        assert len(page.found) <= size
        listed += [(place.died_at, place.id.int) for place, _ in page.found]
        if page.next is None:
            break
        assert page.end != after, "the next page would be this one"
        after = page.end
    first = {number: min(at for at, other in letters if other == number) for _, number in letters}
    assert listed == sorted((float(at), number) for number, at in first.items())
