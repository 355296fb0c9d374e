"""What is asked for by name, and loaded late, keeps its type, and with it the core's contracts.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import assert_type

from asynctasq.driver import Context, Driver, ResultStore, TaskStore
from asynctasq_drivers.rabbitmq import RabbitmqDriver, RabbitmqOptions

made = RabbitmqDriver(RabbitmqOptions(), Context())
assert_type(made, RabbitmqDriver)

driver: Driver = made
tasks: TaskStore = made
results: ResultStore = made  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

RabbitmqDriver()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
