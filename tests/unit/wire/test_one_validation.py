"""A request is validated once: the rules of its resource run in one place."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from egress.v1 import egress_service_pb2 as pb
from egress_server.domain.validate import check_resource
from egress_server.wire import METHODS
from tests.support.paths import ROOT
from tests.support.requests import requests
from tests.unit.wire.decoding import decode

SERVER = ROOT / "server" / "src" / "egress_server"
HEAD = "apiVersion: networking.istio.io/v1\nmetadata: {name: a}\n"
ENTRY = (
    HEAD
    + """
kind: ServiceEntry
spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}]}
"""
)
FAULT = (
    HEAD
    + """
kind: VirtualService
spec:
  hosts: [a.example.com]
  http:
  - fault: {delay: {percentage: {value: 100}, fixedDelay: 5s}}
    route: [{destination: {host: a.example.com}}]
"""
)
YAML = {
    "an entry as YAML": pb.UpsertServiceEntryRequest(parent="meshes/default", istio_yaml=ENTRY),
    "a fault as YAML": pb.InjectFaultRequest(parent="meshes/default", istio_yaml=FAULT),
}
MUTATIONS = {path: requests()[path] for path, method in sorted(METHODS.items()) if method.mutates}
SETS = ("Set", "Upsert", "Inject", "Register", "Update")


@contextmanager
def calls_of(function: Any) -> Iterator[list[FrameType]]:
    """The calls of a Python function while the context is active."""
    found: list[FrameType] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            found.append(frame)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield found
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("path", sorted(MUTATIONS))
def test_a_mutation_validates_its_resource_once(path: str) -> None:
    """If it has a resource, and otherwise not at all."""
    with calls_of(check_resource) as calls:
        decode(MUTATIONS[path])
    assert len(calls) == (1 if path.rpartition("/")[2].startswith(SETS) else 0)


@pytest.mark.parametrize("what", sorted(YAML))
def test_so_does_one_in_yaml(what: str) -> None:
    """The YAML becomes the same resource, with the same rules."""
    with calls_of(check_resource) as calls:
        decode(YAML[what])
    assert len(calls) == 1


def callers_of(function: str) -> set[str]:
    """The modules of the server that call a function of this name."""
    return {
        str(path.relative_to(SERVER))
        for path in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function
    }


def test_no_other_module_validates() -> None:
    """A revert does, because it makes a resource that no request had: a fault with its remaining lifetime."""
    assert callers_of("check_resource") == {"wire/grammar/options.py", str(Path("commands/changes/revert.py"))}
