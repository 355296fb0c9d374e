"""What configuring costs a process that starts."""

from __future__ import annotations


def test_nothing_heavy_is_imported_to_be_configured(site) -> None:
    site.driver("lazy", source="import never_imported", options="class Options(Struct): ...\n")
    code = (
        "import sys; from asynctasq.config import Config, init; init({'driver': 'lazy'});"
        "Config.get(); print(sorted({'rich', 'click', 'dotenv', 'acme_lazy'} & set(sys.modules)))"
    )
    ran = site.run("-c", code)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
