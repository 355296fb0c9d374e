"""`init`: twice, failing, never, late, from two threads; and what it refuses."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence

import pytest

from asynctasq.config import (
    Config,
    ConfigWarning,
    Settings,
    current,
    init,
    set_flags,
    set_global_config,
)
from asynctasq.errors import ConfigError, DriverBroken, DriverNotInstalled
from asynctasq.events import Event


class Bell:
    async def emit(self, events: Sequence[Event]) -> None: ...
    async def close(self) -> None: ...


def test_a_later_init_replaces_the_earlier_whole() -> None:
    init({"default_queue": "first", "max_losses": 9}, [Bell()])
    before = current()
    init({"default_queue": "second"})
    after = current()
    assert after is not before
    assert (after.config.default_queue, after.config.max_losses) == ("second", 3)
    assert after.emitters == ()
    assert before.config.default_queue == "first"


@pytest.mark.parametrize(
    ("overrides", "emitters"),
    [
        ({"default_queue": "a b"}, None),
        ({"unheard_of": 1}, None),
        ({"driver": "nowhere"}, None),
        ("default_queue", None),
        ({"default_queue": "other"}, [object()]),
    ],
)
def test_an_init_that_fails_changes_nothing(overrides, emitters) -> None:
    init({"default_queue": "kept"}, [Bell()])
    before = current()
    with pytest.raises((ConfigError, DriverNotInstalled)):
        init(overrides, emitters)
    assert current() is before


def test_a_warning_made_an_error_changes_nothing_either(monkeypatch) -> None:
    init({"default_queue": "kept"})
    before = current()
    monkeypatch.setenv("ASYNCTASQ_UNHEARD_OF", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigWarning):
            init({"default_queue": "other"})
    assert current() is before


def test_without_init_environment_and_defaults_serve_and_are_read_once(monkeypatch) -> None:
    monkeypatch.setenv("ASYNCTASQ_DEFAULT_QUEUE", "from-environment")
    first = current()
    monkeypatch.setenv("ASYNCTASQ_DEFAULT_QUEUE", "later")
    assert current() is first
    assert first.config.default_queue == "from-environment"
    assert first.emitters == ()


def test_flags_win_over_an_init_in_a_module_imported_later(site) -> None:
    set_flags({"default_queue": "by-flag"})
    source = "import asynctasq.config\nasynctasq.config.init({'default_queue': 'by-module', "
    site.install("their-app", modules={"their_app": source + "'max_losses': 9})\n"})
    __import__("their_app")
    assert Config.get().default_queue == "by-flag"
    assert Config.get().max_losses == 9


def test_flags_win_over_an_init_before_them_and_keep_the_rest_of_it() -> None:
    bell = Bell()
    init({"default_queue": "by-module", "max_losses": 9}, [bell])
    set_flags({"default_queue": "by-flag"})
    assert (Config.get().default_queue, Config.get().max_losses) == ("by-flag", 9)
    assert current().emitters == (bell,)


def test_flags_that_are_wrong_are_told_at_once_or_at_first_use_and_change_nothing() -> None:
    init()
    before = current()
    with pytest.raises(ConfigError, match=r"found 'x' .* from flag --max-losses"):
        set_flags({"max_losses": "x"})
    with pytest.raises(ConfigError, match=r"unknown option 'max_loses' .did you mean 'max_losses'"):
        set_flags({"max_loses": 4})
    assert current() is before


def test_every_wrong_flag_is_told_before_any_init() -> None:
    with pytest.raises(ConfigError, match=r"found 'x' .* from flag --max-losses"):
        set_flags({"max_losses": "x"})
    with pytest.raises(ConfigError, match="unknown option 'max_loses'"):
        set_flags({"max_loses": 4})
    assert Config.get().max_losses == 3


def test_set_global_config_is_init() -> None:
    set_global_config(default_queue="old-style")
    assert Config.get().default_queue == "old-style"
    assert Config.get().origin("default_queue") == "init()"


def test_an_unknown_option_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match=r"'default_que' .did you mean 'default_queue'"):
        init({"default_que": "x"})


def test_every_unknown_option_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'zzzzzz', 'yyyyyy'"):
        init({"zzzzzz": 1, "yyyyyy": 2})


@pytest.mark.parametrize(
    ("option", "package"),
    [("postgres_dsn", "postgres"), ("redis_url", "redis"), ("aws_access_key_id", "sqs")],
)
def test_an_option_of_a_driver_of_ours_that_is_missing_says_how_to_install_it(
    site, option, package
) -> None:
    with pytest.raises(ConfigError, match=f"'{option}' .* pip install asynctasq-{package} "):
        init({option: "x"})


@pytest.mark.parametrize("overrides", ["driver", ["driver"], 5, {("driver",)}])
def test_what_is_no_mapping_is_refused(overrides) -> None:
    with pytest.raises(ConfigError, match="expected a mapping from names of options to values"):
        init(overrides)


@pytest.mark.parametrize(
    ("emitters", "told"),
    [
        (5, "expected a list of emitters, found int"),
        ([object()], r"object has no method emit\(\)"),
        ([Bell], "expected an instance, found class Bell"),
        (Bell(), "expected a list of emitters, found Bell"),
    ],
)
def test_what_is_no_emitter_is_refused(emitters, told) -> None:
    with pytest.raises(ConfigError, match=told):
        init({}, emitters)


def test_emitters_are_kept_in_their_order() -> None:
    bells = [Bell(), Bell()]
    init(event_emitters=iter(bells))
    assert current().emitters == tuple(bells)


@pytest.mark.parametrize("option", ["driver", "result_driver"])
def test_a_driver_that_was_asked_for_is_checked_at_once_from_any_source(
    site, monkeypatch, option
) -> None:
    with pytest.raises(DriverNotInstalled, match="'postgres' is not installed"):
        init({option: "postgres", "postgres_dsn": "x"})
    monkeypatch.setenv(f"ASYNCTASQ_{option.upper()}", "sqs")
    with pytest.raises(DriverNotInstalled, match="pip install asynctasq-sqs"):
        init()


def test_the_default_driver_is_not_checked_before_it_is_used(site) -> None:
    init({"default_queue": "mail"})
    assert Config.get().driver == "redis"


def test_a_driver_that_was_asked_for_is_not_imported(site) -> None:
    site.driver("lazy", source="raise SystemExit('imported')")
    init({"driver": "lazy"})
    assert Config.get().driver == "lazy"


def test_redis_events_without_their_package_are_refused(site) -> None:
    with pytest.raises(ConfigError, match=r"needs asynctasq-redis, .* pip install asynctasq-redis"):
        init({"enable_event_emitter_redis": True})


def test_keeping_completed_tasks_where_the_driver_cannot_is_warned_of(site) -> None:
    site.driver("queue", source=site.QUEUE_ONLY)
    with pytest.warns(ConfigWarning, match="'queue' cannot keep completed tasks; set result_dr"):
        init({"driver": "queue", "keep_completed_tasks": True})


@pytest.mark.parametrize(
    "options",
    [
        {"driver": "queue", "keep_completed_tasks": True, "result_driver": "memory"},
        {"driver": "memory", "keep_completed_tasks": True},
        {"driver": "queue"},
        {"keep_completed_tasks": True},
    ],
)
def test_keeping_completed_tasks_is_not_warned_of_elsewhere(site, options) -> None:
    site.driver("queue", source=site.QUEUE_ONLY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init(options)


def test_the_project_of_the_same_import_name_is_warned_of_once(site) -> None:
    site.install("asynctasq", version="1.6.4")
    with pytest.warns(ConfigWarning, match=r"asynctasq 1\.6\.4 is another project"):
        init()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init()


def test_broken_options_are_told_to_those_who_chose_that_driver_and_no_other(site) -> None:
    site.driver("bad", options="import no_such_client")
    init({"driver": "memory"})
    with pytest.raises(DriverBroken, match="no_such_client"):
        init({"driver": "bad", "bad_url": "x"})
    with pytest.raises(ConfigError, match=r"unknown option 'bad_url'.*no_such_client"):
        init({"driver": "memory", "bad_url": "x"})


@pytest.mark.concurrent
def test_threads_that_read_see_one_init_or_the_other_never_a_mixture() -> None:
    done = threading.Event()
    mixed: list[tuple[str, str]] = []

    def read() -> None:
        while not done.is_set():
            config = Config.get()
            if config.default_queue != config.events_channel:
                mixed.append((config.default_queue, config.events_channel))

    def write(name: str) -> None:
        for _ in range(30):
            init({"default_queue": name, "events_channel": name})

    init({"default_queue": "a", "events_channel": "a"})
    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in (reader, *writers):
        thread.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert mixed == []


@pytest.mark.concurrent
def test_threads_that_come_first_together_get_the_same_settings() -> None:
    together = threading.Barrier(8)
    seen: list[Settings] = []

    def ask() -> None:
        together.wait(10)
        seen.append(current())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1
