"""Importing the module that ``--app`` names, and saying well why that does not work."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

from asynctasq.cli._errors import described, hint
from asynctasq.errors import AsyncTasQError, ConfigError, PluginError


def import_app(name: str) -> None:
    """Import the module that the working directory, or the environment, has under that name.

    Raises ConfigError where there is none, and `AsyncTasQError`, naming its line, for what it
    raises itself.
    """
    _check_name(name)
    sys.path.insert(0, os.getcwd())
    try:
        found = _is_there(name)
        if found:
            import_module(name)
    except (ConfigError, PluginError):
        raise  # it is configured wrongly, which one line says
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise AsyncTasQError(f"--app {name}: {described(error)}{hint()}") from error
    if not found:
        raise ConfigError(f"--app {name}: no module of that name here or in the environment")


def _check_name(name: str) -> None:
    is_file = name.endswith(".py") and os.path.isfile(name)
    if not is_file and all(part.isidentifier() for part in name.split(".")):
        return
    meant = ".".join(part for part in name.removesuffix(".py").split("/") if part.isidentifier())
    raise ConfigError(
        f"--app {name}: expected a module name such as {meant or 'shop.tasks'}, "
        "as in an import statement"
    )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a package above it imports what is not there
        return False
