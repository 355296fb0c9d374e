"""What a type checker knows of the options, for who makes a driver by hand.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import assert_type

from asynctasq.driver import Secret
from asynctasq_drivers.rabbitmq import RabbitmqOptions

options = RabbitmqOptions(
    rabbitmq_url=Secret("amqp://localhost/app"), rabbitmq_exchange_name="jobs"
)
assert_type(options.rabbitmq_url, Secret)
assert_type(options.rabbitmq_exchange_name, str)
assert_type(options.rabbitmq_prefetch_count, int)
assert_type(options.rabbitmq_management_url, Secret | None)

options.rabbitmq_prefetch_count = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
RabbitmqOptions(rabbitmq_url="amqp://localhost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
