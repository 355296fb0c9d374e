"""Options of installed drivers: attributes like core's own, and a struct for the driver."""

from __future__ import annotations

import pytest

from asynctasq.config import Config, init, known_options, make_driver
from asynctasq.driver import Secret
from asynctasq.errors import ConfigError

OPTIONS = """
class Options(Struct, frozen=True):
    acme_url: Annotated[Secret, Meta(description="Where it is.")] = Secret("acme://localhost")
    acme_password: Secret | None = None
    acme_db: Annotated[int, Meta(ge=0, le=15)] = 0
    acme_wait: Annotated[float, Meta(gt=0)] | None = None
    acme_create: bool = False
    acme_level: Literal[1, 2] = 1
    acme_mode: Literal["full", "normal"] | None = "full"
    acme_prefix: Annotated[str | None, Meta(extra={"was": ["acme_queue_prefix"]})] = None
    acme_max_attempts: Annotated[int | None, Meta(ge=1)] = None
    acme_retry_delay_seconds: Annotated[float | None, Meta(ge=0)] = None
    acme_visibility_timeout_seconds: Annotated[float | None, Meta(ge=1)] = None
"""

TYPED = {
    "acme_url": ("acme://h", Secret("acme://h")),
    "acme_password": ("none", None),
    "acme_db": ("15", 15),
    "acme_wait": ("2", 2.0),
    "acme_create": ("yes", True),
    "acme_level": ("2", 2),
    "acme_mode": ("null", None),
    "acme_prefix": ("x", "x"),
}


@pytest.fixture(autouse=True)
def _acme(site) -> None:
    site.driver("acme", options=OPTIONS)


def test_every_option_is_an_attribute_whichever_driver_is_chosen() -> None:
    init({"driver": "memory", "acme_db": 3})
    config = Config.get()
    assert (config.acme_db, config.acme_url) == (3, Secret("acme://localhost"))
    assert "acme_db" in dir(config)
    assert config.origin("acme_db") == "init()"
    assert "acme_db" in known_options()


@pytest.mark.parametrize("name", TYPED)
def test_text_is_read_as_the_type_that_the_driver_declared(monkeypatch, name) -> None:
    text, value = TYPED[name]
    monkeypatch.setenv(f"ASYNCTASQ_{name.upper()}", text)
    assert getattr(Config.get(), name) == value
    assert type(getattr(Config.get(), name)) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("acme_db", 16, "a whole number, at least 0, at most 15"),
        ("acme_wait", 0, "a number, more than 0 or None"),
        ("acme_level", 3, "one of 1, 2"),
        ("acme_level", True, "one of 1, 2"),
        ("acme_mode", "off", "one of 'full', 'normal' or None"),
        ("acme_url", None, "text"),
    ],
)
def test_what_does_not_fit_the_declaration_is_refused(name, value, expected) -> None:
    with pytest.raises(ConfigError, match=f"option '{name}': found .*; expected {expected}$"):
        init({name: value})


def test_the_driver_is_made_with_its_struct_and_the_context() -> None:
    init({"driver": "acme", "acme_db": 7, "result_ttl": 5})
    config = Config.get()
    options = config.driver_options("acme")
    assert type(options).__module__ == "acme_acme_options"
    assert options.acme_db == 7
    driver = make_driver("acme", config)
    assert type(driver).__module__ == "acme_acme"


def test_a_driver_that_declares_no_options_has_none(site) -> None:
    site.driver("bare")
    assert Config.get().driver_options("bare") is None
    assert make_driver("memory", Config.get()).name == "memory"


def test_an_option_that_there_is_not_is_an_attribute_error_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"no option 'acme_ur' .did you mean 'acme_url'"):
        _ = Config.get().acme_ur
    with pytest.raises(AttributeError, match="pip install asynctasq-redis"):
        _ = Config.get().redis_url


def test_a_config_cannot_be_changed() -> None:
    config = Config.get()
    for name in ("default_queue", "acme_db", "anything"):
        with pytest.raises(AttributeError):
            setattr(config, name, "x")
    with pytest.raises(AttributeError):
        config.driver_options("acme").acme_db = 5


@pytest.mark.parametrize(
    "variable", ["ASYNC_TASK_ACME_QUEUE_PREFIX", "ASYNCTASQ_ACME_QUEUE_PREFIX"]
)
def test_an_earlier_name_of_an_option_is_still_read(monkeypatch, variable) -> None:
    monkeypatch.setenv(variable, "of-old")
    assert Config.get().acme_prefix == "of-old"
    assert Config.get().origin("acme_prefix") == variable
    monkeypatch.setenv("ASYNC_TASK_ACME_PREFIX", "of-new")
    init()
    old_wins = variable.startswith("ASYNCTASQ_")
    assert Config.get().acme_prefix == ("of-old" if old_wins else "of-new")


def test_an_earlier_name_is_taken_by_init_but_not_beside_the_present_one() -> None:
    init({"acme_queue_prefix": "x"})
    assert Config.get().acme_prefix == "x"
    with pytest.raises(ConfigError, match="acme_prefix given twice: also as acme_queue_prefix"):
        init({"acme_queue_prefix": "x", "acme_prefix": "y"})


def test_the_drivers_own_default_for_tasks_comes_before_cores() -> None:
    init({"acme_max_attempts": 9, "acme_visibility_timeout_seconds": 20})
    config = Config.get()
    assert config.task_default("max_attempts", "acme") == 9
    assert config.task_default("visibility_timeout", "acme") == 20.0
    assert config.task_default("retry_delay", "acme") == 60.0
    assert config.task_default("max_attempts", "memory") == 3


def test_the_drivers_own_default_for_tasks_may_be_nought() -> None:
    init({"acme_retry_delay_seconds": 0})
    assert Config.get().task_default("retry_delay", "acme") == 0.0


def test_a_driver_with_a_dash_in_its_name_has_options_with_underscores(site) -> None:
    site.install(
        "acme-dashed",
        points={
            "asynctasq.drivers": {"ac-me": "acme_acme:AcmeDriver"},
            "asynctasq.options": {"ac-me": "ac_me_options:Options"},
        },
        modules={
            "ac_me_options": "from msgspec import Struct\n"
            "class Options(Struct):\n    ac_me_max_attempts: int | None = 8\n"
        },
    )
    assert Config.get().task_default("max_attempts", "ac-me") == 8


def test_a_struct_that_refuses_its_values_names_its_driver(site) -> None:
    options = """
    class Options(Struct):
        pool_min: int = 1
        pool_max: int = 5

        def __post_init__(self):
            if self.pool_min > self.pool_max:
                raise ValueError("pool_min is more than pool_max")
    """
    site.driver("pool", options=options)
    with pytest.raises(ConfigError, match="driver 'pool': pool_min is more than pool_max"):
        init({"pool_min": 6})
