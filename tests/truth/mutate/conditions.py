"""The conditions of the model, and each function without one of them.

A condition is the test of an `if`, a part of a boolean expression, or the filter of a comprehension.
"""

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType

MODEL = (
    *("evaluate", "expectation", "faults", "merging", "outbound_mode", "path"),
    *("istiod.delegates", "istiod.destination_rules", "istiod.filter_chains", "istiod.hosts", "istiod.listener"),
    *("istiod.requests", "istiod.scope", "istiod.services", "istiod.upstreams", "istiod.virtual_hosts"),
    *("istiod.virtual_services", "istiod.world"),
)
"""The modules of the model that istiod's configuration judges. Interception happens before a sidecar decides."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A function without one condition."""

    module: str
    function: str
    line: int
    condition: str
    code: CodeType

    def __str__(self) -> str:
        """Where the condition is, and what it says."""
        return f"{self.module.replace('.', '/')}.py:{self.line} {self.function}: {self.condition}"

    def apply(self) -> None:
        """Replaces the function in this process."""
        found = _functions(importlib.import_module(f"egress_server.domain.simulate.{self.module}"))
        found[self.function].__code__ = self.code


def mutants() -> Iterator[Mutant]:
    """All of them."""
    for name in MODEL:
        module = importlib.import_module(f"egress_server.domain.simulate.{name}")
        tree = ast.parse(inspect.getsource(module))
        for function in _functions(module):
            count = len(_sites(_definition(tree, function)))
            for index in range(count):
                changed = deepcopy(tree)
                line, condition = _remove(*_sites(_definition(changed, function))[index])
                compiled = compile(ast.fix_missing_locations(changed), str(module.__file__), "exec")
                yield Mutant(name, function, line, condition, _code(compiled, function))


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """The functions and methods that a module defines, by qualified name."""
    found: dict[str, FunctionType] = {}
    classes = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    for value in (*vars(module).values(), *(value for each in classes for value in vars(each).values())):
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, functools.cached_property):
            value = value.func
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, FunctionType) and value.__code__.co_filename == module.__file__:
            found[value.__qualname__] = value
    return found


def _definition(tree: ast.AST, function: str) -> ast.AST:
    for name in function.split("."):
        tree = next(
            each
            for each in ast.iter_child_nodes(tree)
            if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name
        )
    return tree


def _sites(definition: ast.AST) -> list[tuple[ast.AST, int]]:
    """The nodes with conditions, and which of the node's conditions it is."""
    sites: list[tuple[ast.AST, int]] = []
    for node in ast.walk(definition):
        match node:
            case ast.If() | ast.IfExp():
                sites.append((node, 0))
            case ast.BoolOp(values=values):
                sites += [(node, index) for index in range(len(values))]
            case ast.comprehension(ifs=ifs):
                sites += [(node, index) for index in range(len(ifs))]
    return sites


def _remove(node: ast.AST, index: int) -> tuple[int, str]:
    """Removes the condition; returns its line and text."""
    removed: ast.expr
    match node:
        case ast.If() | ast.IfExp():
            removed, node.test = node.test, ast.copy_location(ast.Constant(False), node.test)
        case ast.BoolOp(values=values):
            removed = values.pop(index)
            values.insert(0, ast.copy_location(ast.Constant(isinstance(node.op, ast.And)), removed))
        case ast.comprehension(ifs=ifs):
            removed = ifs.pop(index)
        case _:
            raise AssertionError(node)
    return removed.lineno, ast.unparse(removed)


def _code(compiled: CodeType, function: str) -> CodeType:
    for each in compiled.co_consts:
        if isinstance(each, CodeType):
            if each.co_qualname == function:
                return each
            if function.startswith(f"{each.co_qualname}."):
                return _code(each, function)
    raise AssertionError(f"{function} is not in the module")
