"""The suite's groups about schemas, on a driver that keeps one."""

from __future__ import annotations

import pytest

from asynctasq.testing import DriverSuite

from .backends import WithSchema
from .migrating import MigratingDriver

pytestmark = pytest.mark.once


class TestMigrating(WithSchema, DriverSuite):
    driver_class = MigratingDriver
