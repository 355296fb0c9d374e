"""Tasks under way while something goes wrong, on Redis."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from asynctasq_drivers.redis import RedisDriver
from tools.driver_tests import load as shared
from tools.driver_tests.load import Load
from tools.driver_tests.waiting import PATIENCE, again

from .drivers import REDIS, opened

__all__ = ["PATIENCE", "Load", "again", "driver_on", "under_load"]

driver_on = opened


def under_load(
    url: str, *, lease: float, **options: Any
) -> AbstractAsyncContextManager[Load[RedisDriver]]:
    """See the shared one; options are given without their prefix."""
    return shared.under_load(REDIS, url, shared.Plan(lease=lease), **options)
