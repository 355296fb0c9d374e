"""An import-linter contract that names what is allowed, and so refuses all that it did not foresee.

The contract type `forbidden` names what is refused; which client libraries there will be, nobody
can list.
"""

from __future__ import annotations

import sys

import grimp
from importlinter import Contract, ContractCheck, fields, output


class MayImport(Contract):
    """`importers` import themselves, the standard library and `allowed`, and nothing else.

    `without` are parts of `importers` that they may not import, and that this does not speak of.
    """

    type_name = "may_import"

    importers = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())
    without = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Look at each direct import."""
        refused = [
            (importer, imported)
            for importer in sorted(graph.modules)
            if self._is_one_of_them(importer)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._is_one_of_them(imported) and not self._is_allowed(imported)
        ]
        return ContractCheck(kept=not refused, metadata={"refused": refused})

    def _is_one_of_them(self, module: str) -> bool:
        return self._lists("importers", module) and not self._lists("without", module)

    def _is_allowed(self, module: str) -> bool:
        in_library = module.partition(".")[0] in sys.stdlib_module_names
        return in_library or self._lists("allowed", module)

    def _lists(self, option: str, module: str) -> bool:
        packages: list[str] = getattr(self, option)
        return any(module == package or module.startswith(f"{package}.") for package in packages)

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say which imports, and what would be allowed."""
        for importer, imported in check.metadata["refused"]:
            output.print_error(f"{importer} may not import {imported}")
        allowed: str = ", ".join(self.contract_options["allowed"])
        output.print(f"Beside the standard library it may import: {allowed}")
        output.new_line()
