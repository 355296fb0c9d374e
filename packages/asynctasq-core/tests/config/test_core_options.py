"""Core's options are those that are documented, with those types, defaults and bounds."""

from __future__ import annotations

import pytest

from asynctasq._options import RESERVED, options_of
from asynctasq.config import Config, CoreOptions, context, init, known_options
from asynctasq.driver import Context, Secret
from asynctasq.errors import ConfigError

DEFAULTS = {
    "driver": "redis",
    "default_queue": "default",
    "default_max_attempts": 3,
    "default_retry_strategy": "exponential",
    "default_retry_delay": 60.0,
    "default_retry_max_delay": 3600.0,
    "default_timeout": None,
    "default_visibility_timeout": 300.0,
    "max_losses": 3,
    "dispatch_timeout": 10.0,
    "correlation_id": None,
    "process_pool_size": None,
    "process_pool_max_tasks_per_child": None,
    "shutdown_timeout": 30.0,
    "stop_grace": 30.0,
    "unknown_task_grace": 3600.0,
    "heartbeat_interval": 60.0,
    "task_scan_limit": 10_000,
    "keep_completed_tasks": False,
    "completed_ttl": 604_800.0,
    "store_results": True,
    "result_ttl": 3600.0,
    "dead_ttl": None,
    "result_driver": None,
    "enable_event_emitter_redis": False,
    "events_redis_url": None,
    "events_channel": "asynctasq:events",
}

ACCEPTED = [
    ("default_queue", "mail.high:1"),
    ("default_max_attempts", 1),
    ("default_retry_strategy", "fixed"),
    ("default_retry_delay", 0),
    ("default_retry_delay", 0.5),
    ("default_retry_max_delay", 0),
    ("default_timeout", 0.1),
    ("default_timeout", None),
    ("default_visibility_timeout", 1),
    ("max_losses", 1),
    ("dispatch_timeout", 0),
    ("correlation_id", ""),
    ("process_pool_size", 1),
    ("process_pool_max_tasks_per_child", None),
    ("shutdown_timeout", 0),
    ("stop_grace", 0),
    ("unknown_task_grace", 0),
    ("heartbeat_interval", 0.01),
    ("task_scan_limit", 1),
    ("keep_completed_tasks", False),
    ("store_results", False),
    ("result_ttl", 1),
    ("dead_ttl", 1),
    ("events_redis_url", "redis://h"),
    ("events_redis_url", Secret("redis://h")),
]

REFUSED = [
    ("driver", ""),
    ("driver", None),
    ("default_queue", ""),
    ("default_queue", "two words"),
    ("default_queue", "mail\n"),
    ("default_max_attempts", 0),
    ("default_max_attempts", 2.0),
    ("default_max_attempts", "3"),
    ("default_max_attempts", True),
    ("default_max_attempts", None),
    ("default_retry_strategy", "linear"),
    ("default_retry_strategy", None),
    ("default_retry_delay", -1),
    ("default_retry_delay", float("nan")),
    ("default_retry_delay", float("inf")),
    ("default_retry_delay", 10**400),
    ("default_retry_delay", True),
    ("default_retry_max_delay", -0.1),
    ("default_timeout", 0),
    ("default_timeout", float("inf")),
    ("default_visibility_timeout", 0.99),
    ("max_losses", 0),
    ("dispatch_timeout", -1),
    ("correlation_id", 7),
    ("process_pool_size", 0),
    ("process_pool_max_tasks_per_child", 0),
    ("shutdown_timeout", -1),
    ("stop_grace", -1),
    ("unknown_task_grace", -1),
    ("heartbeat_interval", 0),
    ("task_scan_limit", 0),
    ("keep_completed_tasks", 1),
    ("keep_completed_tasks", "yes"),
    ("completed_ttl", 0),
    ("store_results", None),
    ("result_ttl", 0),
    ("dead_ttl", 0),
    ("result_driver", ""),
    ("driver", "redis\n"),
    ("enable_event_emitter_redis", "no"),
    ("events_redis_url", b"redis://h"),
    ("events_channel", ""),
]


def test_the_options_are_exactly_those_documented_with_their_defaults() -> None:
    assert {option.name: option.default for option in options_of(CoreOptions)} == DEFAULTS


def test_every_option_is_an_attribute_with_its_default_when_nothing_is_set(site) -> None:
    config = Config.get()
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS


def test_every_option_says_what_it_means() -> None:
    assert [o.name for o in options_of(CoreOptions) if not o.description.endswith(".")] == []


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_a_value_within_bounds_is_taken_as_it_is(name, value) -> None:
    init({name: value})
    assert getattr(Config.get(), name) == value
    assert type(getattr(Config.get(), name)) in (known_options()[name].kind, type(None))


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_of_the_wrong_type_or_out_of_bounds_is_refused_naming_the_option(
    name, value
) -> None:
    with pytest.raises(ConfigError, match=f"option '{name}': found .* from init\\(\\); expected "):
        init({name: value})


def test_no_option_can_hide_what_a_config_answers_itself() -> None:
    own = {n for n in vars(Config) if not n.startswith("_")} - set(DEFAULTS)
    assert own == RESERVED


def test_the_context_of_drivers_carries_what_they_are_told() -> None:
    init(
        {
            "result_ttl": 1.0,
            "dead_ttl": 2.0,
            "completed_ttl": 3.0,
            "task_scan_limit": 4,
            "keep_completed_tasks": True,
            "driver": "memory",
        }
    )
    assert context(Config.get()) == Context(
        result_ttl=1.0,
        dead_ttl=2.0,
        completed_ttl=3.0,
        task_scan_limit=4,
        keep_completed_tasks=True,
    )
