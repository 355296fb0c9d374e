"""The ``rabbitmq`` driver: quorum queues of a RabbitMQ broker that you have already, no plugin.

Read `_driver.py` first: one method for each verb. What the broker holds stands in `_topology.py`,
how long delays work in `_delays.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asynctasq_drivers.rabbitmq._options import RabbitmqOptions as RabbitmqOptions

if TYPE_CHECKING:
    from asynctasq_drivers.rabbitmq._driver import RabbitmqDriver as RabbitmqDriver


def __getattr__(name: str) -> Any:
    """The driver, once it is asked for: who only wants its options needs no client library."""
    if name == "RabbitmqDriver":
        from asynctasq_drivers.rabbitmq._driver import RabbitmqDriver

        return RabbitmqDriver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
