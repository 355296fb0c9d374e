"""Drivers that are closed when a block ends, and what they are given."""

from __future__ import annotations

from asynctasq_drivers.redis import RedisDriver, RedisOptions
from tools.driver_tests.messages import message, pending, record, taken, works
from tools.driver_tests.subject import Subject

__all__ = ["made", "message", "opened", "pending", "record", "taken", "works"]

REDIS = Subject(RedisDriver, RedisOptions, "url")
made, opened = REDIS.made, REDIS.opened
