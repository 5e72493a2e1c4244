"""egressctl doctor: what works between here and the server, and what to do where something does not."""

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
_NO_SERVER = (
    "Start a server with `egressd run`, or name another by --server, EGRESS_SERVER or `egressctl config set-context`."
)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}
_Metadata = dict[str, str]


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `fix` says what to do where it is not ok."""

    name: str
    verdict: Verdict
    detail: str
    fix: str = ""


def add_to(app: typer.Typer) -> None:
    """Adds the command; it is alone in its group."""
    command(app, "doctor", "egressctl doctor", "egressctl doctor --server unix:/run/egress.sock -o json")(doctor)


def doctor(session: Session) -> None:
    """Check connection, versions and clock; leaves with 3 where the server can't be used."""
    checks = list(_examine(session))
    if session.form is Format.TABLE:
        for check in checks:
            out().print(f"{check.verdict.value:<5}{check.name}: {check.detail}", style=_STYLES[check.verdict])
            if check.fix:
                out().print(f"     {check.fix}")
    else:
        emit({"checks": [asdict(check) for check in checks]}, session.form)
    if any(check.verdict is Verdict.FAIL for check in checks):
        raise typer.Exit(Exit.UNAVAILABLE)


def _examine(session: Session) -> Iterator[Check]:
    versions = f"python {platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}"
    yield Check("client", Verdict.OK, f"egressctl {__version__}, {versions}")
    target, source = session.target
    yield Check("target", Verdict.OK, f"{target} (from {source}), mesh {session.mesh_id}")
    try:
        channel = session.connect()
    except Unavailable as error:
        yield Check("connection", Verdict.FAIL, error.message, _NO_SERVER)
        return
    yield Check("connection", Verdict.OK, "established")
    yield _health(channel)
    yield from _server(channel, session.mesh_id)


def _health(channel: grpc.Channel) -> Check:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        reply = check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return Check("health", Verdict.FAIL, _words(error), "Is this an egressd? Look at its log.")
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    if reply.status == health_pb2.HealthCheckResponse.SERVING:
        return Check("health", Verdict.OK, state)
    return Check("health", Verdict.FAIL, state, "The server is up and does not serve: look at its log.")


def _server(channel: grpc.Channel, mesh: str) -> Iterator[Check]:
    request = ListClustersRequest(parent=f"meshes/{mesh}", page_size=1)
    sent = time.time()
    try:
        _, call = FleetServiceStub(channel).ListClusters.with_call(request, timeout=_TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        yield Check("call", Verdict.FAIL, _words(error), "Is the mesh right? Look at the server's log.")
        return
    received = time.time()
    yield Check("call", Verdict.OK, f"answered in {(received - sent) * 1000:.1f} ms")
    metadata = {key: value for key, value in call.trailing_metadata() or () if isinstance(value, str)}
    yield _version(metadata)
    yield _clock(metadata, (sent + received) / 2)


def _version(metadata: _Metadata) -> Check:
    theirs = metadata.get("egress-version", "")
    if not theirs:
        return Check("server", Verdict.WARN, "does not tell its version")
    if theirs.split(".")[:2] != __version__.split(".")[:2]:
        return Check("server", Verdict.WARN, f"egressd {theirs}", f"This client is {__version__}: use one version.")
    return Check("server", Verdict.OK, f"egressd {theirs}")


def _clock(metadata: _Metadata, here: float) -> Check:
    if not metadata.get("egress-time", "").isdecimal():
        return Check("clock", Verdict.WARN, "the server does not tell its time")
    ahead = int(metadata["egress-time"]) / 1000 - here
    detail = f"the server's is {abs(ahead):.3f} s {'ahead' if ahead > 0 else 'behind'}"
    if abs(ahead) > _SKEW_SECONDS:
        return Check("clock", Verdict.WARN, detail, "Times in replies are the server's: synchronise the clocks.")
    return Check("clock", Verdict.OK, detail)


def _words(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}"
