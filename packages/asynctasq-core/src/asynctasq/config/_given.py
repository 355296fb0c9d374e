"""What somebody set, and where: hidden from the first moment on, and told apart by origin.

A value may be a password until it is known for which option it is, and an error may be raised at
any point, with the local variables of every frame in its traceback. So a value is wrapped where
it comes in, and no function that raises has a bare one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from asynctasq._options import Option
from asynctasq._secret import Secret
from asynctasq.errors import ConfigError

PREFIXES: Final = ("ASYNCTASQ_", "ASYNC_TASK_")
"""What the variables of an option begin with; where both are set, the first counts."""

DEFAULT: Final = "default"
"""The origin of what nobody set."""

_DOTENV: Final = ".env"


class Given:
    """A value that shows itself to nobody but `_convert.read`, and where it comes from."""

    __slots__ = ("origin", "text", "value")

    def __init__(self, value: Any, origin: str, *, text: bool) -> None:
        self.value = value
        self.origin = origin
        self.text = text

    def __repr__(self) -> str:
        return f"<given by {self.origin}>"

    def shown(self, option: Option) -> str:
        """The value as an error may quote it, and its type."""
        kind = type(self.value).__name__
        if option.kind is Secret or not isinstance(self.value, (str, int, float, type(None))):
            return f"a value of type {kind}"
        if isinstance(self.value, str) and "://" in self.value:
            return f"{str(Secret(self.value))[:200]!r} ({kind})"
        return f"{self.value!r:.200} ({kind})"


def by_flags(flags: Given) -> dict[str, Given]:
    """What the command line gives, by option."""
    return {
        name: Given(value, f"flag --{name.replace('_', '-')}", text=True)
        for name, value in _options_in(flags).items()
    }


def by_init(overrides: Given) -> dict[str, Given]:
    """What `init` was given, by option. Raises ConfigError for what is no mapping of options."""
    return {
        name: Given(value, overrides.origin, text=False)
        for name, value in _options_in(overrides).items()
    }


def by_environment() -> dict[str, Given]:
    """The variables of this process that begin as ours do, by variable; empty ones are not set."""
    return {
        name: Given(value, name, text=True)
        for name, value in os.environ.items()
        if value and name.startswith(PREFIXES)
    }


def by_dotenv() -> dict[str, Given]:
    """Likewise, from ``.env`` in the working directory. Raises ConfigError if it is unreadable."""
    if not os.path.isfile(_DOTENV):
        return {}
    from dotenv import dotenv_values  # only needed by those who have such a file

    try:
        return {
            name: Given(value, f"{name} in {_DOTENV}", text=True)
            for name, value in dotenv_values(_DOTENV, encoding="utf-8-sig").items()
            if value and name.startswith(PREFIXES)
        }
    except (OSError, UnicodeError) as error:
        reason = type(error).__name__
    # Out here, so that the error has no context: that one's frames hold the text of the file.
    raise ConfigError(
        f"{_DOTENV} in the working directory cannot be read ({reason}); "
        "expected a UTF-8 text file that this process may read"
    )


def _options_in(given: Given) -> Mapping[str, Any]:
    if given.value is None:
        return {}
    is_mapping = isinstance(given.value, Mapping)
    if not is_mapping:
        raise ConfigError(
            f"{given.origin}: expected a mapping from names of options to values, "
            f"found {type(given.value).__name__}"
        )
    return {str(name): value for name, value in given.value.items()}
