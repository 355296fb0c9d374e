"""The suite's hooks, and its crashes, on a driver that has connections to lose."""

from __future__ import annotations

from asynctasq.testing import DriverSuite

from .backends import OnServer
from .remote import RemoteDriver


class TestRemote(OnServer, DriverSuite):
    driver_class = RemoteDriver
