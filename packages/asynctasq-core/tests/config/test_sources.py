"""Where values come from, which source counts, and how text is read."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from asynctasq.config import Config, ConfigWarning, init, set_flags
from asynctasq.errors import ConfigError

SOURCES = [
    "flag --default-queue",
    "init()",
    "ASYNCTASQ_DEFAULT_QUEUE",
    "ASYNC_TASK_DEFAULT_QUEUE",
    "ASYNCTASQ_DEFAULT_QUEUE in .env",
    "ASYNC_TASK_DEFAULT_QUEUE in .env",
]


def write_env(*lines: str) -> None:
    Path(".env").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("strongest", range(len(SOURCES)))
def test_the_strongest_source_counts_and_is_told(monkeypatch, strongest) -> None:
    given = SOURCES[strongest:]
    if SOURCES[0] in given:
        set_flags({"default_queue": "of-0"})
    for i in (2, 3):
        if SOURCES[i] in given:
            monkeypatch.setenv(SOURCES[i], f"of-{i}")
    lines = [f"{s.split()[0]}=of-{i}" for i, s in enumerate(SOURCES) if i > 3 and s in given]
    write_env(*lines)
    init({"default_queue": "of-1"} if SOURCES[1] in given else {})
    assert Config.get().default_queue == f"of-{strongest}"
    assert Config.get().origin("default_queue") == SOURCES[strongest]


def test_what_nobody_set_is_told_to_be_the_default() -> None:
    assert Config.get().origin("default_queue") == "default"
    with pytest.raises(AttributeError, match="no option 'default_quee'"):
        Config.get().origin("default_quee")


def test_an_empty_variable_counts_as_not_set(monkeypatch) -> None:
    monkeypatch.setenv("ASYNCTASQ_DEFAULT_QUEUE", "")
    monkeypatch.setenv("ASYNC_TASK_DEFAULT_QUEUE", "older")
    write_env("ASYNCTASQ_EVENTS_CHANNEL=", "ASYNC_TASK_DRIVER")
    assert Config.get().default_queue == "older"
    assert Config.get().events_channel == "asynctasq:events"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("default_max_attempts", "5", 5),
        ("default_max_attempts", " 5 ", 5),
        ("default_max_attempts", "+5", 5),
        ("default_retry_delay", "5", 5.0),
        ("default_retry_delay", "0.25", 0.25),
        ("default_retry_delay", ".5", 0.5),
        ("default_retry_delay", "1e2", 100.0),
        ("default_timeout", "none", None),
        ("default_timeout", "NULL", None),
        ("correlation_id", "None", None),
        ("default_queue", "none", "none"),
        ("default_retry_strategy", "fixed", "fixed"),
        *(("store_results", text, True) for text in ("1", "true", "True", "YES", "on")),
        *(("store_results", text, False) for text in ("0", "false", "False", "no", "OFF")),
    ],
)
def test_text_is_read_as_the_type_of_its_option(monkeypatch, name, text, value) -> None:
    monkeypatch.setenv(f"ASYNCTASQ_{name.upper()}", text)
    assert getattr(Config.get(), name) == value
    monkeypatch.delenv(f"ASYNCTASQ_{name.upper()}")
    set_flags({name: text})
    assert getattr(Config.get(), name) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("default_max_attempts", "five", "a whole number, at least 1"),
        ("default_max_attempts", "0", "a whole number, at least 1"),
        ("default_max_attempts", "1.5", "a whole number, at least 1"),
        ("default_max_attempts", "1_0", "a whole number, at least 1"),
        ("default_max_attempts", "9" * 5000, "a whole number, at least 1"),
        ("default_max_attempts", "none", "a whole number, at least 1"),
        ("default_retry_delay", "nan", "a number, at least 0"),
        ("default_retry_delay", "inf", "a number, at least 0"),
        ("default_retry_delay", "-Infinity", "a number, at least 0"),
        ("default_retry_delay", "1e999", "a number, at least 0"),
        ("default_timeout", "0", "a number, more than 0 or None"),
        ("store_results", "maybe", "true or false"),
        ("default_retry_strategy", "linear", "one of 'fixed', 'exponential'"),
        ("default_queue", "a b", "text, matching "),
    ],
)
def test_text_that_does_not_fit_is_refused_with_found_type_source_and_expected(
    monkeypatch, name, text, expected
) -> None:
    variable = f"ASYNCTASQ_{name.upper()}"
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as raised:
        Config.get()
    found = f"option {name!r}: found {text!r:.200} (str) from {variable}; expected {expected}"
    assert str(raised.value).startswith(found)
    assert len(str(raised.value)) < 500


def test_a_wrong_value_in_the_file_names_variable_and_file() -> None:
    write_env("ASYNC_TASK_MAX_LOSSES=x")
    with pytest.raises(ConfigError, match=r"'x' \(str\) from ASYNC_TASK_MAX_LOSSES in \.env;"):
        Config.get()


def test_a_wrong_value_that_a_stronger_source_overrides_does_not_matter(monkeypatch) -> None:
    monkeypatch.setenv("ASYNCTASQ_MAX_LOSSES", "many")
    init({"max_losses": 5})
    assert Config.get().max_losses == 5


def test_unknown_variables_are_named_in_one_warning(monkeypatch, site) -> None:
    monkeypatch.setenv("ASYNCTASQ_DEFAULT_QUEU", "secret-value")
    monkeypatch.setenv("ASYNC_TASK_NOTHING_LIKE_IT", "secret-value")
    monkeypatch.setenv("ASYNCTASQ_POSTGRES_DSN", "secret-value")
    monkeypatch.setenv("ASYNCTASQ_lower_case", "secret-value")
    write_env("ASYNCTASQ_IN_FILE=secret-value")
    with pytest.warns(ConfigWarning) as caught:
        init()
    (text,) = [str(each.message) for each in caught]
    assert "ASYNCTASQ_DEFAULT_QUEU (did you mean 'default_queue'?)" in text
    assert "ASYNC_TASK_NOTHING_LIKE_IT" in text
    assert "ASYNCTASQ_POSTGRES_DSN (an option of driver 'postgres', not installed: pip" in text
    assert "ASYNCTASQ_lower_case" in text
    assert "ASYNCTASQ_IN_FILE" in text
    assert "secret-value" not in text
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "variable",
    [
        "ASYNCTASQ_PROGRAMS",
        "ASYNCTASQ_REQUIRE",
        "ASYNCTASQ_TEST_REDIS_URL",
        "ASYNCTASQ_NEW",
        "OTHER_DRIVER",
    ],
)
def test_variables_of_others_are_not_warned_of(monkeypatch, variable) -> None:
    monkeypatch.setenv(variable, "" if variable == "ASYNCTASQ_NEW" else "all")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init()


def test_the_file_is_read_from_the_working_directory_each_time(tmp_path, monkeypatch) -> None:
    write_env("ASYNCTASQ_DEFAULT_QUEUE=first")
    init()
    assert Config.get().default_queue == "first"
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    init()
    assert Config.get().default_queue == "default"


def test_the_file_may_have_quotes_comments_and_a_byte_order_mark() -> None:
    text = "\ufeffexport ASYNCTASQ_DEFAULT_QUEUE='mail' # ours\n# no\nOTHER=1\n"
    Path(".env").write_text(text, encoding="utf-8")
    assert Config.get().default_queue == "mail"


def test_a_folder_of_that_name_is_no_configuration() -> None:
    Path(".env").mkdir()
    assert Config.get().default_queue == "default"


def test_a_working_directory_that_is_gone_holds_no_file(tmp_path, monkeypatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Config.get().default_queue == "default"
    os.chdir(tmp_path)


def test_a_file_that_is_no_text_is_an_error_that_says_so() -> None:
    Path(".env").write_bytes(b"ASYNCTASQ_DEFAULT_QUEUE=caf\xe9\n")
    with pytest.raises(ConfigError, match=r"\.env .* \(UnicodeDecodeError\); expected a UTF-8"):
        Config.get()
