"""Options of plugins: known without their client library, and harmless to others when broken."""

from __future__ import annotations

import sys

import pytest

from asynctasq import plugins
from asynctasq.errors import DriverBroken

GOOD = "class Options(Struct):\n    good_url: str = 'x'\n"


def problem(name: str) -> str:
    with pytest.raises(DriverBroken) as raised:
        plugins.driver_class(name)
    return str(raised.value)


def test_options_are_known_while_the_driver_is_not_imported(site) -> None:
    site.driver("good", options=GOOD)
    assert plugins.options_structs()["good"].__struct_fields__ == ("good_url",)
    assert "acme_good" not in sys.modules


def test_a_driver_without_options_has_none_and_works(site) -> None:
    site.driver("bare")
    assert "bare" not in plugins.options_structs()
    assert plugins.driver_class("bare").name == "acme"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("import no_such_client", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
        ("Options = 5", "expected a class derived from msgspec.Struct"),
        ("class Options: ...", "expected a class derived from msgspec.Struct"),
        ("class Options(Struct):\n    bad_url: str", "'bad_url' has no default"),
        ("class Options(Struct):\n    bad_list: list[str] = []", "its type cannot be an option's"),
        ("class Options(Struct):\n    bad: int | str = 1", "its type cannot be an option's"),
        ("class Options(Struct):\n    bad: Literal['a', 1] = 1", "its type cannot be an option's"),
        ("class Options(Struct):\n    bad: Nowhere = 1", "NameError"),
        ("class Options(Struct):\n    bad: int = None", "its default does not fit"),
        ("class Options(Struct):\n    bad: Secret = 5", "its default does not fit"),
        ("class Options(Struct):\n    Bad: int = 1", "expected a name in lower case"),
        ("class Options(Struct):\n    _bad: int = 1", "expected a name in lower case"),
        ("class Options(Struct):\n    bad: Annotated[int, Meta(pattern='x')] = 1", "pattern does"),
        (
            "class Options(Struct):\n    bad: Annotated[int, Meta(extra={'was': 'old'})] = 1",
            "expected extra={'was': ['earlier_name']}",
        ),
        (
            "class Options(Struct):\n    bad: int = 1\n"
            "    bad_new: Annotated[int, Meta(extra={'was': ['bad']})] = 1",
            "two options have the name bad",
        ),
        (
            "class Options(Struct):\n    bad: int = 1\n"
            "    def __post_init__(self): raise ValueError('never right')",
            "ValueError: never right",
        ),
    ],
)
def test_options_that_cannot_be_used_are_raised_only_by_their_own_driver(
    site, options, told
) -> None:
    site.driver("bad", options=options)
    site.driver("good", options=GOOD)
    assert set(plugins.options_structs()) == {"good"}
    assert plugins.driver_class("good").name == "acme"
    text = problem("bad")
    assert "the options of 'bad' (from acme-bad)" in text
    assert told in text


@pytest.mark.parametrize("name", ["default_queue", "origin", "get"])
def test_nobody_can_take_a_name_of_core(site, name) -> None:
    site.driver("greedy", options=f"class Options(Struct):\n    {name}: str = 'x'\n")
    text = problem("greedy")
    assert f"acme-greedy declares {name}, which asynctasq-core has already" in text
    assert "uninstall acme-greedy, or ask the author" in text


def test_two_distributions_that_want_one_name_are_both_named_and_the_first_keeps_it(site) -> None:
    site.driver("b", options="class Options(Struct):\n    shared_url: str = 'b'\n")
    site.driver("a", options="class Options(Struct):\n    shared_url: str = 'a'\n")
    assert plugins.driver_class("a").name == "acme"
    assert set(plugins.options_structs()) == {"a"}
    text = problem("b")
    assert "acme-b declares shared_url, which acme-a has already" in text
    assert "uninstall acme-b or acme-a" in text


def test_ours_keep_their_names_whatever_is_installed_beside_them(site) -> None:
    options = OPTIONS_OF_REDIS
    site.install(
        "a-distribution-earlier-by-name",
        points={plugins.OPTIONS: {"early": "early_options:Options"}},
        modules={"early_options": options},
    )
    site.install(
        "asynctasq-redis",
        points={plugins.OPTIONS: {"redis": "redis_options:Options"}},
        modules={"redis_options": options},
    )
    assert set(plugins.options_structs()) == {"redis"}


OPTIONS_OF_REDIS = """
from msgspec import Struct
class Options(Struct):
    redis_url: str = "x"
"""


def test_an_earlier_name_is_as_taken_as_a_present_one(site) -> None:
    renamed = "    a_now: Annotated[int, Meta(extra={'was': ['a_then']})] = 1\n"
    site.driver("a", options=f"class Options(Struct):\n{renamed}")
    site.driver("b", options="class Options(Struct):\n    a_then: int = 1\n")
    assert "declares a_then" in problem("b")


def test_one_struct_may_serve_two_drivers(site) -> None:
    site.driver("one", options=GOOD)
    site.install(
        "acme-two",
        points={
            plugins.DRIVERS: {"two": "acme_one:AcmeDriver"},
            plugins.OPTIONS: {"two": "acme_one_options:Options"},
        },
    )
    structs = plugins.options_structs()
    assert structs["one"] is structs["two"]


def test_two_distributions_cannot_both_declare_the_options_of_one_name(site) -> None:
    site.driver("twin", options=GOOD)
    point = {plugins.OPTIONS: {"twin": "other_options:Options"}}
    source = "from msgspec import Struct\nclass Options(Struct):\n    other: int = 1\n"
    site.install("other-twin", points=point, modules={"other_options": source})
    assert plugins.options_structs()["twin"].__module__ == "acme_twin_options"
    assert "another distribution declares them as well" in problem("twin")
