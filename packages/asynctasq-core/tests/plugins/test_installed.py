"""The list of what is installed: true, and complete whatever is broken."""

from __future__ import annotations

from asynctasq import plugins
from asynctasq.driver import API


def by_name() -> dict[str, plugins.InstalledDriver]:
    return {driver.name: driver for driver in plugins.installed()}


def test_a_driver_that_works_is_listed_with_all_that_is_known_of_it(site) -> None:
    site.driver("fast", options="class Options(Struct):\n    fast_url: str = 'x'\n")
    assert by_name()["fast"] == plugins.InstalledDriver(
        name="fast",
        distribution="acme-fast",
        version="1.0",
        state="ok",
        api=API,
        options=("fast_url",),
        protocols=("TaskStore", "ResultStore", "JoinsTransaction", "SettlesInTransaction"),
    )


def test_a_driver_has_only_the_protocols_that_it_implements(site) -> None:
    site.driver("queue", source=site.QUEUE_ONLY)
    assert by_name()["queue"].protocols == ()


def test_every_kind_of_problem_is_listed_beside_what_works(site) -> None:
    site.driver("importless", source="import no_such_client")
    site.driver("later", source="class AcmeDriver:\n    api = (99, 0)\n")
    site.driver("options", options="import no_such_client")
    site.driver("greedy", options="class Options(Struct):\n    driver: str = 'x'\n")
    site.driver("twin")
    site.install("other-twin", points={plugins.DRIVERS: {"twin": "acme_twin:AcmeDriver"}})
    listed = plugins.installed()
    assert [d.name for d in listed if d.state == "ok"] == ["memory"]
    told = {d.name: d.problem or "" for d in listed}
    assert "No module named 'no_such_client'" in told["importless"]
    assert "upgrade asynctasq-core" in told["later"]
    assert "No module named 'no_such_client'" in told["options"]
    assert "which asynctasq-core has already" in told["greedy"]
    assert "uninstall all but one" in told["twin"]
    assert [d.distribution for d in listed if d.name == "twin"] == ["acme-twin", "other-twin"]


def test_ours_that_are_missing_are_listed_with_how_to_install_them(site) -> None:
    site.install("asynctasq-redis", points={plugins.DRIVERS: {"redis": "nowhere:Driver"}})
    missing = {each.name: each.install for each in plugins.not_installed()}
    assert set(missing) == {"sqlite", "postgres", "mysql", "rabbitmq", "sqs"}
    assert missing["sqs"].startswith("pip install asynctasq-sqs ")


def test_the_project_of_the_same_import_name_is_seen(site) -> None:
    assert plugins.namesake() is None
    site.install("asynctasq", version="1.6.4")
    assert plugins.namesake() == "asynctasq 1.6.4"
