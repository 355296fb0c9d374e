"""The suite's hooks, and its crashes, on a driver that has connections to lose."""

from __future__ import annotations

import pytest

from asynctasq.testing import DriverSuite

from .backends import OnServer
from .remote import RemoteDriver

pytestmark = pytest.mark.once


class TestRemote(OnServer, DriverSuite):
    driver_class = RemoteDriver
