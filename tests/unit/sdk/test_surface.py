"""The public surface: what it holds, and that it holds all of the API."""

import inspect
import re
import subprocess
import sys

import pytest

import egress
from tests.unit.sdk.double import METHODS

EXPORTS = [
    "Aborted",
    "Agent",
    "AlreadyExists",
    "AsyncChanged",
    "AsyncEgressClient",
    "AsyncPager",
    "AsyncWatch",
    "Cancelled",
    "Change",
    "Changed",
    "Cluster",
    "ClusterRollout",
    "ConnectionLimits",
    "CursorExpired",
    "DeadlineExceeded",
    "DriftedObject",
    "EgressClient",
    "EgressError",
    "Endpoint",
    "EtagMismatch",
    "ExplainResponse",
    "FailedPrecondition",
    "Fault",
    "Finding",
    "HeaderMatch",
    "Interception",
    "InternalError",
    "InvalidArgument",
    "Mesh",
    "Mutation",
    "NotFound",
    "Observation",
    "OutOfRange",
    "OutboundPolicy",
    "OutlierDetection",
    "Pager",
    "PermissionDenied",
    "Plan",
    "PolicyGap",
    "ProbeResponse",
    "ResourceExhausted",
    "Retries",
    "Route",
    "ServiceEntry",
    "ServicePort",
    "StaleWorkload",
    "TlsOrigination",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
    "Watch",
    "WatchChangesResponse",
    "WeightedDestination",
    "__version__",
]


def public_methods(client: type) -> set[str]:
    """What a user of the client sees."""
    return {name for name in dir(client) if not name.startswith("_")}


def test_exports_are_frozen() -> None:
    """A name appears or goes only on purpose, and each can be had."""
    assert sorted(egress.__all__) == EXPORTS
    assert set(EXPORTS) <= set(dir(egress))
    for name in EXPORTS:
        assert getattr(egress, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = egress.nonsense


def test_importing_egress_is_cheap() -> None:
    """Importing egress imports neither gRPC nor protobuf; the generated code can be had without the client."""
    program = (
        "import sys, egress, egress.v1.change_pb2;"
        "print([m for m in ('grpc', 'typer', 'rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_client_alone_needs_no_cli_extra() -> None:
    """Using the client imports nothing that only the extra `cli` brings."""
    program = (
        "import sys, egress; egress.EgressClient;print([m for m in ('typer', 'rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_rpc_has_a_method() -> None:
    """The client's methods are the RPCs of the services, streams too, by their names; beside them close and fault."""
    rpcs = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).lower() for method in METHODS}
    assert public_methods(egress.EgressClient) == rpcs | {"close", "fault"}


def test_both_clients_have_the_same_methods() -> None:
    """What one client can be told, the other can, in the same words."""
    names = public_methods(egress.EgressClient)
    assert names == public_methods(egress.AsyncEgressClient)
    for name in names - {"close"}:
        blocking, awaiting = getattr(egress.EgressClient, name), getattr(egress.AsyncEgressClient, name)
        assert inspect.signature(blocking) == inspect.signature(awaiting)


def test_every_method_says_what_it_does() -> None:
    """help(EgressClient) has a text for each method."""
    assert all(getattr(egress.EgressClient, name).__doc__ for name in public_methods(egress.EgressClient))
