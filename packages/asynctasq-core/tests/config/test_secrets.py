"""A password given as an option is seen nowhere: not shown, not quoted, not in any traceback."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from asynctasq.config import Config, context, init, make_driver, set_flags, set_global_config
from asynctasq.errors import AsyncTasQError

PASSWORD = "hunter2"
URL = f"acme://user:{PASSWORD}@host:1234/db?key={PASSWORD}"

OPTIONS = """
class Options(Struct):
    vault_url: Secret = Secret("acme://localhost")
    vault_key: Secret | None = None
    vault_size: int = 1
    vault_pinned: Annotated[Secret | None, Meta(pattern="^acme:")] = None

    def __post_init__(self):
        if self.vault_size == 13:
            url = self.vault_url.reveal()
            raise ValueError(f"cannot use {url} with size 13")
"""


@pytest.fixture(autouse=True)
def _vault(site) -> None:
    site.driver("vault", options=OPTIONS)


def hidden(text: str) -> bool:
    return PASSWORD not in text


def frames_of_ours(error: BaseException) -> str:
    """The traceback with the local variables of every frame but this test's own."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    seen = []
    while told is not None:
        stack = [frame for frame in told.stack if frame.filename != __file__]
        told.stack = traceback.StackSummary.from_list(stack)
        seen += list(told.format(chain=False))
        told = told.__cause__ or told.__context__
    return "".join(seen)


def fails(call: Callable[[], object]) -> str:
    with pytest.raises(AsyncTasQError) as raised:
        call()
    assert hidden(str(raised.value))
    shown = frames_of_ours(raised.value)
    assert "in init" in shown or "in current" in shown or "in set_" in shown
    return shown


def test_a_config_shows_no_secret() -> None:
    init({"vault_url": URL, "vault_key": PASSWORD, "events_redis_url": URL})
    config = Config.get()
    assert config.vault_url.reveal() == URL
    for shown in (repr(config), str(config), f"{config}", repr(config.__rich_repr__())):
        assert hidden(shown)
        assert "acme://***@host:1234/db?***" in shown
    assert hidden(repr(config.rows()))
    assert hidden(repr(config.driver_options("vault")))
    assert hidden(repr(make_driver("vault", config).__dict__))
    assert hidden(repr(context(config)))


def test_the_rows_for_everybody_mask_secrets_and_tell_origins(monkeypatch) -> None:
    monkeypatch.setenv("ASYNCTASQ_VAULT_KEY", PASSWORD)
    init({"vault_url": URL})
    rows = {row.name: row for row in Config.get().rows()}
    assert rows["vault_url"] == ("vault_url", "acme://***@host:1234/db?***", "init()")
    assert rows["vault_key"] == ("vault_key", "***", "ASYNCTASQ_VAULT_KEY")
    assert rows["events_redis_url"] == ("events_redis_url", "None", "default")
    assert rows["default_queue"] == ("default_queue", "default", "default")


WRONG = [
    {"vault_url": URL.encode()},
    {"vault_url": [URL]},
    {"vault_size": URL},
    {"vault_pinned": f"other://{PASSWORD}@h"},
    {"vault_url": URL, "vault_size": 13},
    {"vault_url": URL, "unheard_of": PASSWORD},
    {"vault_url": URL, "driver": "nowhere"},
    {"driver": URL},
    {"result_driver": URL},
    {"vault_url": URL, "default_max_attempts": 0},
    {"vault_key": PASSWORD, "driver": {"nested": PASSWORD}},
    {"vault_url": URL, "max_losses": (PASSWORD,)},
]


@pytest.mark.parametrize("options", WRONG)
def test_no_error_of_init_shows_one_in_its_text_or_its_frames(options) -> None:
    assert hidden(fails(lambda: init(options)))


@pytest.mark.parametrize("options", WRONG)
def test_nor_does_one_of_set_global_config_or_of_set_flags(options) -> None:
    assert hidden(fails(lambda: set_global_config(**options)))
    init()
    assert hidden(fails(lambda: set_flags(options)))


def test_nor_does_one_of_options_in_the_wrong_shape() -> None:
    assert hidden(fails(lambda: init(URL)))  # type: ignore[arg-type]
    assert hidden(fails(lambda: init([URL])))  # type: ignore[arg-type]


def test_nor_does_one_of_emitters() -> None:
    assert hidden(fails(lambda: init({"vault_url": URL}, [object()])))  # type: ignore[list-item]


@pytest.mark.parametrize(
    "variables",
    [
        {"VAULT_SIZE": URL},
        {"VAULT_PINNED": PASSWORD},
        {"VAULT_URL": URL, "VAULT_SIZE": "13"},
        {"VAULT_URL": URL, "MAX_LOSSES": "x"},
        {"VAULT_URL": URL, "DRIVER": "nowhere"},
    ],
)
def test_no_error_about_the_environment_or_the_file_shows_one(monkeypatch, variables) -> None:
    Path(".env").write_text("\n".join(f"ASYNCTASQ_{n}={v}" for n, v in variables.items()))
    assert hidden(fails(Config.get))
    Path(".env").unlink()
    for name, value in variables.items():
        monkeypatch.setenv(f"ASYNC_TASK_{name}", value)
    assert hidden(fails(Config.get))


def test_an_unreadable_file_shows_nothing_of_it() -> None:
    Path(".env").write_bytes(f"ASYNCTASQ_VAULT_KEY={PASSWORD}\nX=caf".encode() + b"\xe9")
    assert hidden(fails(Config.get))


def test_a_warning_of_the_environment_shows_no_value(monkeypatch) -> None:
    monkeypatch.setenv("ASYNCTASQ_VAULT_URI", URL)
    with pytest.warns(UserWarning, match="ASYNCTASQ_VAULT_URI .did you mean 'vault_url'") as told:
        init()
    assert hidden(str(told[0].message))


def test_what_an_option_refused_is_quoted_but_not_its_password() -> None:
    with pytest.raises(AsyncTasQError, match=r"found 'acme://\*\*\*@host:1234/db\?\*\*\*' \(str\)"):
        init({"vault_size": URL})
