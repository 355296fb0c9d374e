"""What the garbage collector has to look at: not a million messages that wait."""

from __future__ import annotations

import gc
import weakref

import pytest
from msgspec import Struct

from asynctasq.codec import Envelope
from asynctasq.driver import Delivery, Failure, Message, Record, TaskRef


class Receipt:
    """One that leads back to its delivery, as that of a channel which knows what is out."""

    delivery: Delivery


@pytest.mark.parametrize("kind", [TaskRef, Failure, Message, Record, Envelope])
def test_what_leads_to_nothing_but_values_is_not_looked_at(kind: type[Struct]) -> None:
    assert not kind.__struct_config__.gc


def test_a_delivery_that_its_receipt_leads_back_to_is_collected() -> None:
    receipt = Receipt()
    receipt.delivery = Delivery(
        queue="mail", body=b"", visibility_timeout=1.0, deliveries=1, receipt=receipt, lease=1.0
    )
    left = weakref.ref(receipt)
    del receipt
    gc.collect()
    assert left() is None
