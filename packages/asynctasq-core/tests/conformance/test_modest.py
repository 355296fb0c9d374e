"""The suite is fair to a driver that declares little, and sees that it does not do more."""

from __future__ import annotations

import pytest

from asynctasq.driver import Driver
from asynctasq.testing import DriverSuite, NewDriver

from .modest import ModestDriver


class TestModest(DriverSuite):
    driver_class = ModestDriver
    lease = 0.2
    quiet = 0.05

    @pytest.fixture
    def new_driver(self) -> NewDriver:
        return lambda context: ModestDriver(None, context)

    def kill(self, driver: Driver) -> None:
        assert isinstance(driver, ModestDriver)
        driver.drop_connection()
