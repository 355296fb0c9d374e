"""Writes import-linter's configuration: the core's contracts, and one for each driver found."""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path
from typing import Any

from tools.workspace import ROOT, Package

CONTRACT_OF_A_DRIVER = ("asynctasq.driver", "asynctasq.errors", "asynctasq.events", "msgspec")


def configuration(settings: dict[str, Any], packages: list[Package]) -> configparser.ConfigParser:
    """The root's `[tool.importlinter]`, with every driver added."""
    drivers = [package for package in packages if package.is_driver]
    session = {key: value for key, value in settings.items() if key != "contracts"}
    session["root_packages"] = [*settings["root_packages"], *(d.import_name for d in drivers)]
    contracts = [*settings["contracts"], *map(_contract, drivers)]
    config = configparser.ConfigParser(interpolation=None)
    config["importlinter"] = _texts(session)
    for number, contract in enumerate(contracts):
        config[f"importlinter:contract:{number}"] = _texts(contract)
    return config


def write(target: Path, packages: list[Package], root: Path = ROOT) -> None:
    """Write it where `lint-imports --config` finds it."""
    content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    with target.open("w", encoding="utf-8") as file:
        configuration(content["tool"]["importlinter"], packages).write(file)


def _contract(driver: Package) -> dict[str, Any]:
    return {
        "name": f"{driver.name} stands on the driver contract alone",
        "type": "may_import",
        "importers": [driver.import_name],
        "allowed": [*CONTRACT_OF_A_DRIVER, *driver.client],
    }


def _texts(settings: dict[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in settings.items()}


def _text(value: str | bool | list[str]) -> str:
    return "".join(f"\n{line}" for line in value) if isinstance(value, list) else str(value)
