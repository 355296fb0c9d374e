"""``asynctasq events``: whom it follows, by what is installed and what is said."""

from __future__ import annotations

import pytest

from asynctasq import plugins

QUIET = """
class Subscriber:
    def __init__(self, options, context):
        pass

    async def open(self):
        pass

    async def __aiter__(self):
        return
        yield

    async def close(self):
        pass
"""
"""Has no event to tell, and ends."""


@pytest.fixture
def subscribers(site):
    """Installs subscribers of these names."""

    def install(*names: str):
        for name in names:
            points = {plugins.SUBSCRIBERS: {name: f"{name}_events:Subscriber"}}
            site.install(name, points=points, modules={f"{name}_events": QUIET})
        return site

    return install


def test_without_any_it_is_told_what_to_install(subscribers) -> None:
    ran = subscribers().run("-m", "asynctasq", "events")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "no event subscriber is installed" in ran.stderr
    assert "pip install asynctasq-redis" in ran.stderr


def test_the_only_one_is_followed(subscribers) -> None:
    ran = subscribers("wire").run("-m", "asynctasq", "events")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == "following events of wire (Ctrl-C ends)\n"


def test_of_several_the_one_that_is_named_is_followed(subscribers) -> None:
    site = subscribers("radio", "wire")
    ran = site.run("-m", "asynctasq", "events")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "several event subscribers are installed: say --from radio or wire" in ran.stderr
    ran = site.run("-m", "asynctasq", "events", "--from", "wire")
    assert ran.stderr == "following events of wire (Ctrl-C ends)\n"


def test_one_that_is_not_there_is_named_with_those_that_are(subscribers) -> None:
    ran = subscribers("wire").run("-m", "asynctasq", "events", "--from", "wires")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "event subscriber 'wires' is not installed; installed: wire" in ran.stderr
