"""Two types of import contracts that import-linter does not have.

Its own types require that every name exists. With these, a contract may name a package that does not exist or is not
imported yet.
"""

import sys
from collections.abc import Iterable
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

Link = tuple[str, str]


def inside(module: str, packages: Iterable[str]) -> bool:
    """Whether the module is one of these packages or lives in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


class DirectImportContract(Contract):
    """A contract about direct imports. Its report names the imports that break it."""

    def forbidden_links(self, graph: ImportGraph) -> Iterable[Link]:
        """The forbidden imports, as importer and imported."""
        raise NotImplementedError

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Called by import-linter with the graph of all imports."""
        del verbose
        links = sorted(self.forbidden_links(graph))
        return ContractCheck(kept=not links, metadata={"links": links})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Called by import-linter to report what breaks the contract."""
        for importer, imported in check.metadata["links"]:
            output.print_error(f"{importer} must not import {imported}", bold=False)


class OnlyContract(DirectImportContract):
    """The modules only import each other, the standard library and the packages, whatever else is installed."""

    modules = fields.ListField(subfield=fields.StringField())
    packages = fields.ListField(subfield=fields.StringField())

    def forbidden_links(self, graph: ImportGraph) -> Iterable[Link]:
        """Every other import."""
        modules, packages = cast("list[str]", self.modules), cast("list[str]", self.packages)
        for importer in graph.modules:
            if not inside(importer, modules):
                continue
            for imported in graph.find_modules_directly_imported_by(importer):
                top = imported.partition(".")[0]
                if top not in sys.stdlib_module_names and not inside(imported, [*modules, *packages]):
                    yield importer, imported


class KeptInContract(DirectImportContract):
    """The packages are imported in these modules and nowhere else in the project."""

    packages = fields.ListField(subfield=fields.StringField())
    modules = fields.ListField(subfield=fields.StringField())

    def forbidden_links(self, graph: ImportGraph) -> Iterable[Link]:
        """Every import of one of the packages from outside the modules."""
        modules = cast("list[str]", self.modules)
        for package in cast("list[str]", self.packages):
            if package not in graph.modules:
                continue
            for importer in graph.find_modules_that_directly_import(package):
                if not inside(importer, modules):
                    yield importer, package
