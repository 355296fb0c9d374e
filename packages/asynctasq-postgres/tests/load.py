"""Tasks under way while something goes wrong, on PostgreSQL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from asynctasq_drivers.postgres import PostgresDriver
from tools.driver_tests import load as shared
from tools.driver_tests.load import Load
from tools.driver_tests.waiting import PATIENCE, again

from .drivers import POSTGRES, opened

__all__ = ["PATIENCE", "Load", "again", "driver_on", "under_load"]

driver_on = opened


def under_load(
    url: str, *, lease: float, **options: Any
) -> AbstractAsyncContextManager[Load[PostgresDriver]]:
    """See the shared one; options are given without their prefix."""
    return shared.under_load(POSTGRES, url, shared.Plan(lease=lease), **options)
