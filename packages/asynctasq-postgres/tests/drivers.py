"""Drivers that are closed when a block ends, and what they are given."""

from __future__ import annotations

from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions
from tools.driver_tests.messages import message, pending, record, taken, works
from tools.driver_tests.subject import Subject

__all__ = ["made", "message", "opened", "pending", "record", "taken", "works"]

POSTGRES = Subject(PostgresDriver, PostgresOptions, "dsn")
made, opened = POSTGRES.made, POSTGRES.opened
