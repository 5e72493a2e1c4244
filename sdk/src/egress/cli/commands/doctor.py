"""egressctl doctor: checks the connection to the server, and prints how to fix what fails."""

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version

import grpc
import typer
from grpc_health.v1 import health_pb2

from egress import Unavailable, __version__
from egress.cli.support.errors import Exit
from egress.cli.support.output import Format, emit, out
from egress.cli.support.session import Session, command
from egress.v1.fleet_service_pb2 import ListClustersRequest
from egress.v1.fleet_service_pb2_grpc import FleetServiceStub

_TIMEOUT_SECONDS = 5.0
_SKEW_SECONDS = 2.0
_NO_SERVER = "Start a server with `egressd run`, or configure another one: --server, EGRESS_SERVER, egressctl config."
_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}
_Metadata = dict[str, str]


class CheckStatus(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """A check; `fix` is what to do if it is not ok."""

    name: str
    verdict: CheckStatus
    detail: str
    fix: str = ""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "doctor", "egressctl doctor", "egressctl doctor --server unix:/run/egress.sock -o json")(doctor)


def doctor(session: Session) -> None:
    """Check connection, versions and clock. Exits with status 3 if the server cannot be used."""
    checks = list(_examine(session))
    if session.form is Format.TABLE:
        for check in checks:
            out().print(f"{check.verdict.value:<5}{check.name}: {check.detail}", style=_STYLES[check.verdict])
            if check.fix:
                out().print(f"     {check.fix}")
    else:
        emit({"checks": [asdict(check) for check in checks]}, session.form)
    if any(check.verdict is CheckStatus.FAIL for check in checks):
        raise typer.Exit(Exit.UNAVAILABLE)


def _examine(session: Session) -> Iterator[ClientCheck]:
    versions = f"python {platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}"
    yield ClientCheck("client", CheckStatus.OK, f"egressctl {__version__}, {versions}")
    target, source = session.target
    yield ClientCheck("target", CheckStatus.OK, f"{target} (from {source}), mesh {session.mesh_id}")
    try:
        channel = session.connect()
    except Unavailable as error:
        yield ClientCheck("connection", CheckStatus.FAIL, error.message, _NO_SERVER)
        return
    yield ClientCheck("connection", CheckStatus.OK, "established")
    yield _health(channel)
    yield from _server(channel, session.mesh_id)


def _health(channel: grpc.Channel) -> ClientCheck:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        reply = check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return ClientCheck("health", CheckStatus.FAIL, _error_text(error), "Is this an egressd? See its log.")
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    if reply.status == health_pb2.HealthCheckResponse.SERVING:
        return ClientCheck("health", CheckStatus.OK, state)
    return ClientCheck("health", CheckStatus.FAIL, state, "The server is up but not ready; see its log.")


def _server(channel: grpc.Channel, mesh: str) -> Iterator[ClientCheck]:
    request = ListClustersRequest(parent=f"meshes/{mesh}", page_size=1)
    sent = time.time()
    try:
        _, call = FleetServiceStub(channel).ListClusters.with_call(request, timeout=_TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        yield ClientCheck("call", CheckStatus.FAIL, _error_text(error), "Is the mesh correct? See the server's log.")
        return
    received = time.time()
    yield ClientCheck("call", CheckStatus.OK, f"answered in {(received - sent) * 1000:.1f} ms")
    metadata = {key: value for key, value in call.trailing_metadata() or () if isinstance(value, str)}
    yield _version(metadata)
    yield _clock(metadata, (sent + received) / 2)


def _version(metadata: _Metadata) -> ClientCheck:
    theirs = metadata.get("egress-version", "")
    if not theirs:
        return ClientCheck("server", CheckStatus.WARN, "does not report its version")
    if theirs.split(".")[:2] != __version__.split(".")[:2]:
        return ClientCheck(
            "server", CheckStatus.WARN, f"egressd {theirs}", f"This client is {__version__}; use the same version."
        )
    return ClientCheck("server", CheckStatus.OK, f"egressd {theirs}")


def _clock(metadata: _Metadata, here: float) -> ClientCheck:
    if not metadata.get("egress-time", "").isdecimal():
        return ClientCheck("clock", CheckStatus.WARN, "the server does not report its time")
    ahead = int(metadata["egress-time"]) / 1000 - here
    detail = f"the server is {abs(ahead):.3f} s {'ahead' if ahead > 0 else 'behind'}"
    if abs(ahead) > _SKEW_SECONDS:
        return ClientCheck(
            "clock", CheckStatus.WARN, detail, "Times in replies are the server's; synchronize the clocks."
        )
    return ClientCheck("clock", CheckStatus.OK, detail)


def _error_text(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}"
