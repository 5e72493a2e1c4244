"""Finds every reason that the server gives, in its source.

Reasons are given where they arise, in many places, so the source is the only complete list. Three kinds are
distinguished by the call or class that has them. A module's constant that is named like its value is a
reason of a status.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tools.gen import ROOT

SOURCE = ROOT / "server/src/egress_server"


class Kind(Enum):
    """Where a caller meets a reason."""

    ERROR = "errors"
    STATUS = "statuses"
    PROBE = "probes"


_CALLS = {
    "TransientError": Kind.STATUS,
    "PermanentError": Kind.STATUS,
    "Problem": Kind.STATUS,
    "RetryDecision": Kind.STATUS,
    "TranscodingError": Kind.ERROR,
    "_make_status": Kind.ERROR,
    "Cause": Kind.PROBE,
    "ProbeRefused": Kind.PROBE,
    "_inconclusive": Kind.PROBE,
    "_verdict": Kind.PROBE,
}
"""Functions and classes with a reason among their positional arguments."""
_NOT_REASONS = frozenset({"DYNAMIC_DNS", "REGISTRY_ONLY", "SERVICE_CIDRS"})
"""Constants that are named like their values, but are values of fields."""
_KEYWORDS = {"reason": Kind.ERROR, "refused": Kind.PROBE}


@dataclass(frozen=True, slots=True)
class Found:
    """A reason; `code` is the google.rpc.Code of the error that has it, if it is one."""

    reason: str
    kind: Kind
    code: str = ""


def find_reasons(source: Path = SOURCE) -> set[Found]:
    """All reasons in the Python files below a directory."""
    trees = [ast.parse(path.read_text()) for path in source.rglob("*.py")]
    constants = {name: value for tree in trees for name, value in _constants(tree)}
    codes = {name: code for tree in trees for name, code in _error_classes(tree)}
    named = {Found(value, Kind.STATUS) for name, value in constants.items() if name == value}
    found = {found for tree in trees for found in _reasons(tree, constants, codes)}
    return {each for each in named | found if each.reason not in _NOT_REASONS}


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=ast.Constant(str(value))):
                yield name, value


def _error_classes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The code of each class of errors, such as NOT_FOUND for NotFound."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                match part:
                    case (
                        ast.Assign(targets=[ast.Name("code")], value=ast.Attribute(ast.Name("Code"), code))
                        | ast.AnnAssign(target=ast.Name("code"), value=ast.Attribute(ast.Name("Code"), code))
                    ):
                        yield node.name, code


def _reasons(tree: ast.Module, constants: dict[str, str], codes: dict[str, str]) -> Iterator[Found]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in codes:
            for part in node.body:
                match part:
                    case (
                        ast.Assign(targets=[ast.Name("reason")], value=value)
                        | ast.AnnAssign(target=ast.Name("reason"), value=value)
                    ) if value is not None:
                        yield from _found(value, Kind.ERROR, constants, codes[node.name])
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            for keyword in node.keywords:
                if kind := _KEYWORDS.get(keyword.arg or ""):
                    yield from _found(keyword.value, _CALLS.get(name, kind), constants, codes.get(name, ""))
            if kind := _CALLS.get(name):
                for argument in node.args:
                    yield from _found(argument, kind, constants, _code_of(node) if kind is Kind.ERROR else "")


def _code_of(call: ast.Call) -> str:
    """The code among the arguments; what the transcoder refuses is an INVALID_ARGUMENT."""
    for argument in call.args:
        match argument:
            case ast.Attribute(ast.Name("Code"), code):
                return code
    return "INVALID_ARGUMENT"


def _found(value: ast.expr, kind: Kind, constants: dict[str, str], code: str) -> Iterator[Found]:
    match value:
        case ast.Constant(str(text)):
            pass
        case ast.Name(name):
            text = constants.get(name, "")
        case ast.Attribute(_, name):
            text = constants.get(name, "")
        case ast.IfExp(body=body, orelse=orelse):
            yield from _found(body, kind, constants, code)
            yield from _found(orelse, kind, constants, code)
            return
        case _:
            return
    if text.replace("_", "").isalpha() and text.isupper():
        yield Found(text, kind, code)
