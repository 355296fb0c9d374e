"""The reference driver keeps the whole contract."""

from __future__ import annotations

from asynctasq.memory import MemoryDriver
from asynctasq.testing import DriverSuite

from .backends import InProcess


class TestMemory(InProcess, DriverSuite):
    driver_class = MemoryDriver
