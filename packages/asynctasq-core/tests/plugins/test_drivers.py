"""Choosing a driver: it is loaded, or the error says precisely why not and what to do."""

from __future__ import annotations

import sys

import pytest

from asynctasq import plugins
from asynctasq.driver import API
from asynctasq.errors import DriverBroken, DriverIncompatible, DriverNotInstalled, PluginError
from asynctasq.memory import MemoryDriver


def of_api(major: int, minor: int) -> str:
    return f"""
    from asynctasq.memory import MemoryDriver

    class AcmeDriver(MemoryDriver):
        api = ({major}, {minor})
    """


def test_memory_is_there_without_any_metadata(site) -> None:
    assert plugins.driver_class("memory") is MemoryDriver


def test_a_driver_of_another_distribution_is_found_by_its_name(site) -> None:
    site.driver("fast")
    loaded = plugins.driver_class("fast")
    assert (loaded.__module__, loaded.name) == ("acme_fast", "acme")


def test_only_the_chosen_driver_is_imported(site) -> None:
    site.driver("fast")
    site.driver("slow")
    plugins.require_installed("slow")
    plugins.driver_class("fast")
    assert "acme_fast" in sys.modules
    assert "acme_slow" not in sys.modules


def test_an_unknown_name_is_answered_with_those_installed_and_the_nearest(site) -> None:
    site.driver("acmequeue")
    with pytest.raises(DriverNotInstalled) as raised:
        plugins.driver_class("acmeqeue")
    text = str(raised.value)
    assert "'acmeqeue' is not installed" in text
    assert "installed: acmequeue, memory" in text
    assert "did you mean 'acmequeue'?" in text


@pytest.mark.parametrize("name", ["sqlite", "redis", "postgres", "mysql", "rabbitmq", "sqs"])
def test_a_driver_of_ours_that_is_missing_is_answered_with_how_to_install_it(site, name) -> None:
    with pytest.raises(DriverNotInstalled) as raised:
        plugins.driver_class(name)
    assert f"pip install asynctasq-{name} " in str(raised.value)
    assert f'pip install "asynctasq-core[{name}]"' in str(raised.value)
    assert "did you mean" not in str(raised.value)


def test_a_misspelt_driver_of_ours_is_answered_with_its_name_and_how_to_install_it(site) -> None:
    with pytest.raises(DriverNotInstalled) as raised:
        plugins.driver_class("postgress")
    assert "did you mean 'postgres'?" in str(raised.value)
    assert "pip install asynctasq-postgres" in str(raised.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_client", "ModuleNotFoundError: No module named 'no_such_client'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 +", "SyntaxError"),
        ("", "AttributeError"),
        (
            "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
            "acme_bad:AcmeDriver: Mute",
        ),
    ],
)
def test_a_driver_that_cannot_be_imported_is_broken_and_its_distribution_named(
    site, source, told
) -> None:
    site.driver("bad", source=source or "# nothing here")
    with pytest.raises(DriverBroken) as raised:
        plugins.driver_class("bad")
    assert "driver 'bad' (from acme-bad 1.0)" in str(raised.value)
    assert told in str(raised.value)
    assert raised.value.__cause__ is not None


def test_what_is_not_a_class_is_broken(site) -> None:
    site.driver("bad", source="AcmeDriver = 5")
    with pytest.raises(DriverBroken, match="is not a class"):
        plugins.driver_class("bad")


def test_every_missing_method_and_attribute_is_named(site) -> None:
    source = """
    class AcmeDriver:
        api = (1, 0)
        async def open(self): ...
        dequeue = None
    """
    site.driver("bad", source=source)
    with pytest.raises(DriverBroken) as raised:
        plugins.driver_class("bad")
    lacks = "close, enqueue, dequeue, settle, extend, stats, purge, name (text), capabilities"
    assert f"lacks {lacks}" in str(raised.value)


@pytest.mark.parametrize("api", ["", "api = 1", "api = (1,)", "api = ('1', '0')", "api = None"])
def test_a_driver_that_does_not_say_its_api_is_broken(site, api) -> None:
    site.driver("bad", source=f"class AcmeDriver:\n    {api or 'pass'}")
    with pytest.raises(DriverBroken, match=r"expected api = \(major, minor\)"):
        plugins.driver_class("bad")


@pytest.mark.parametrize(
    ("major", "minor", "mend"),
    [
        (API[0] + 1, 0, "upgrade asynctasq-core"),
        (API[0], API[1] + 1, "upgrade asynctasq-core"),
        (API[0] - 1, 99, "upgrade acme-other"),
    ],
)
def test_another_api_is_refused_naming_package_found_and_needed(site, major, minor, mend) -> None:
    site.driver("other", source=of_api(major, minor))
    with pytest.raises(DriverIncompatible) as raised:
        plugins.driver_class("other")
    text = str(raised.value)
    assert "acme-other 1.0" in text
    assert f"api {major}.{minor}" in text
    assert f"found api {API[0]}.{API[1]}" in text
    assert text.endswith(mend)


def test_this_api_and_older_minors_of_it_are_run(site, monkeypatch) -> None:
    monkeypatch.setattr("asynctasq.plugins._drivers.API", (1, 4))
    site.driver("old", source=of_api(1, 2))
    site.driver("same", source=of_api(1, 4))
    assert plugins.driver_class("old").api == (1, 2)
    assert plugins.driver_class("same").api == (1, 4)


def test_a_name_that_two_distributions_provide_is_refused_naming_both(site) -> None:
    point = {plugins.DRIVERS: {"twin": "acme_twin:AcmeDriver"}}
    site.driver("twin")
    site.install("other-twin", points=point)
    with pytest.raises(DriverBroken, match="by acme-twin and by other-twin: uninstall all but one"):
        plugins.driver_class("twin")


def test_nobody_can_take_the_name_of_a_driver_silently(site) -> None:
    site.install("evil", points={plugins.DRIVERS: {"memory": "evil:Driver"}})
    with pytest.raises(DriverBroken, match="by asynctasq-core and by evil"):
        plugins.driver_class("memory")


def test_a_distribution_seen_twice_on_the_path_counts_once(site, tmp_path, monkeypatch) -> None:
    site.driver("fast")
    other = type(site)(tmp_path / "second")
    other.folder.mkdir()
    monkeypatch.syspath_prepend(other.folder)
    other.driver("fast")
    assert plugins.driver_class("fast").name == "acme"


def test_damaged_metadata_hides_no_other_distribution_and_is_told(site) -> None:
    site.install("acme-damaged", points="[asynctasq.drivers]\nthis is no entry point\n")
    site.driver("fast")
    assert plugins.driver_class("fast").name == "acme"
    assert "acme_damaged-1.0.dist-info" in plugins.unreadable()[0]
    with pytest.raises(DriverNotInstalled, match=r"unreadable metadata in .*acme_damaged-1\.0"):
        plugins.driver_class("damaged")


@pytest.mark.parametrize("value", ["acme", "acme:", ":Driver", "os; system:x", "a b:c", ""])
def test_an_entry_point_that_names_no_object_is_broken(site, value) -> None:
    site.install("acme-odd", points={plugins.DRIVERS: {"odd": value}})
    with pytest.raises(DriverBroken, match="expected an entry point such as"):
        plugins.driver_class("odd")


def test_what_is_installed_is_looked_up_once_until_refreshed(site) -> None:
    assert not plugins.provides(plugins.DRIVERS, "late")
    info = site.folder / "late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asynctasq.drivers]\nlate = late:Driver\n")
    assert not plugins.provides(plugins.DRIVERS, "late")
    plugins.refresh()
    assert plugins.provides(plugins.DRIVERS, "late")


def test_emitters_and_subscribers_are_found_by_name(site) -> None:
    points = {
        plugins.EMITTERS: {"bell": "acme_bell:Emitter"},
        plugins.SUBSCRIBERS: {"bell": "acme_bell:Subscriber"},
    }
    source = "class Emitter: ...\nclass Subscriber: ..."
    site.install("acme-bell", points=points, modules={"acme_bell": source})
    assert plugins.emitter("bell").__name__ == "Emitter"
    assert plugins.subscriber("bell").__name__ == "Subscriber"


def test_a_missing_emitter_is_answered_with_how_to_install_it(site) -> None:
    with pytest.raises(
        PluginError, match="installed: none; to have it: pip install asynctasq-redis"
    ):
        plugins.emitter("redis")


@pytest.mark.parametrize(
    ("source", "told"),
    [("import nothing_such", "ModuleNotFoundError"), ("Emitter = 1", "callable")],
)
def test_an_emitter_that_cannot_be_used_is_told(site, source, told) -> None:
    points = {plugins.EMITTERS: {"bell": "acme_bell:Emitter"}}
    site.install("acme-bell", points=points, modules={"acme_bell": source})
    with pytest.raises(PluginError, match=rf"'bell' \(from acme-bell 1.0\).*{told}"):
        plugins.emitter("bell")
