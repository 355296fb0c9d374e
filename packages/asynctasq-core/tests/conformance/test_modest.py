"""The suite is fair to a driver that declares little, and sees that it does not do more."""

from __future__ import annotations

import pytest

from asynctasq.testing import DriverSuite

from .backends import ByConnection
from .modest import ModestDriver

pytestmark = pytest.mark.once


class TestModest(ByConnection, DriverSuite):
    driver_class = ModestDriver
