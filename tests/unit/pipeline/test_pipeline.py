"""The path of a call: its steps in order, and every way it can end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from google.rpc import error_details_pb2

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import outbound_policy_pb2
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.errors import Aborted, Code, EgressError, NotFound, PermissionDenied, invalid
from egress_server.domain.model.limits import MAX_REQUEST_BYTES
from egress_server.pipeline.method import RpcCall
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError
from egress_server.ports.identity import Principal
from egress_server.telemetry.metrics import REGISTRY
from egress_server.wire import METHODS
from tests.unit.commands.fakes import World

PATH = "/egress.v1.EgressService/GetOutboundPolicy"
REQUEST = pb.GetOutboundPolicyRequest(name="x")
Run = Callable[[Services, Caller, Any], Awaitable[Any]]


class Unauthenticated(EgressError):
    """The caller is unknown."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


@dataclass(frozen=True)
class Command:
    """A decoded request."""

    name: str
    mesh: str = "default"


class Guard:
    """Authenticator and Authorizer that record their calls, and reject on demand."""

    def __init__(self, log: list[object]) -> None:
        self.log = log
        self.unknown = False
        self.forbids = False

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The caller in the metadata; alice by default."""
        self.log.append("authenticate")
        if self.unknown:
            raise Unauthenticated("who are you?")
        return Principal(f"user:{metadata.get('user', 'alice')} from {peer}")

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Records who wants to do what where."""
        self.log.append(("authorize", principal.name, permission, mesh))
        if self.forbids:
            raise PermissionDenied(f"{principal.name} may not")


class Bench:
    """A pipeline with one method whose command is `run`."""

    def __init__(self, run: Run | None = None) -> None:
        self.log: list[object] = []
        self.guard = Guard(self.log)
        self.callers: list[Caller] = []
        self._run = run
        self.pipeline = Pipeline(World.of().services, self.guard, self.guard)
        self.method = replace(
            METHODS[PATH],
            decode=self._decode,
            run=self._command,
            encode=lambda name: outbound_policy_pb2.OutboundPolicy(name=name),
        )

    def _decode(self, request: pb.GetOutboundPolicyRequest) -> Command:
        self.log.append("decode")
        if request.name == "bad":
            raise invalid("name", "is bad")
        return Command(request.name)

    async def _command(self, services: Services, caller: Caller, command: Command) -> Any:
        self.log.append("run")
        self.callers.append(caller)
        return await self._run(services, caller, command) if self._run else command.name

    async def call(self, request: bytes | pb.GetOutboundPolicyRequest = REQUEST, **fields: Any) -> Any:
        """Sends a request through."""
        whole = {"transport": "grpc", "peer": "ipv4:1", "metadata": {}, **fields}
        return await self.pipeline.unary(self.method, request, RpcCall(**whole))

    async def refusal(self, request: bytes | pb.GetOutboundPolicyRequest = REQUEST, **fields: Any) -> tuple[str, str]:
        """Code and reason of the refusal."""
        with pytest.raises(StatusError) as caught:
            await self.call(request, **fields)
        status = caught.value.status
        info = error_details_pb2.ErrorInfo()
        status.details[0].Unpack(info)
        return Code(status.code).name, info.reason


@pytest.mark.parametrize("request_", [REQUEST, REQUEST.SerializeToString()], ids=["message", "bytes"])
async def test_a_call_takes_every_step_once(request_: Any) -> None:
    """Identity, decode, authorize, command, encode; from bytes or from a message."""
    bench = Bench()
    assert await bench.call(request_) == outbound_policy_pb2.OutboundPolicy(name="x")
    permission = ("authorize", "user:alice from ipv4:1", "egress.outboundPolicies.get", "default")
    assert bench.log == ["authenticate", "decode", permission, "run"]
    assert (bench.callers[0].principal.name, bench.callers[0].method) == ("user:alice from ipv4:1", PATH)


async def test_strangers_learn_nothing_of_the_request() -> None:
    """An unknown caller is refused before the request is decoded."""
    bench = Bench()
    bench.guard.unknown = True
    assert await bench.refusal(b"\xff") == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert bench.log == ["authenticate"]


async def test_who_may_not_does_not() -> None:
    """The command is not run."""
    bench = Bench()
    bench.guard.forbids = True
    assert await bench.refusal() == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    assert "run" not in bench.log


async def test_bad_requests_are_refused_before_anything_is_asked() -> None:
    """Bytes that are not a message, fields that are wrong, too many bytes."""
    bench = Bench()
    assert await bench.refusal(b"\xff\xff") == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert await bench.refusal(b"\x0a\x02\xff\xfe") == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert await bench.refusal(pb.GetOutboundPolicyRequest(name="bad")) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert await bench.refusal(b"\0" * (MAX_REQUEST_BYTES + 1)) == ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE")
    assert "run" not in bench.log


async def test_the_largest_request_is_read() -> None:
    """The limit itself is allowed."""
    name = "n" * (MAX_REQUEST_BYTES - 4)
    request = pb.GetOutboundPolicyRequest(name=name).SerializeToString()
    assert len(request) == MAX_REQUEST_BYTES
    assert (await Bench().call(request)).name == name


async def test_an_error_of_the_domain_is_a_refusal() -> None:
    """With its code and reason."""

    async def run(*_: object) -> str:
        raise NotFound("not there", reason="RESOURCE_NOT_FOUND")

    assert await Bench(run).refusal() == ("NOT_FOUND", "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("secret"), TimeoutError("secret"), KeyError("secret"), RecursionError("secret")]
)
@pytest.mark.parametrize("patience", [None, 60])
async def test_our_own_mistakes_are_internal_and_leak_nothing(error: Exception, patience: float | None) -> None:
    """The response does not contain a word of it, and it is not mistaken for the deadline of the call."""

    async def run(*_: object) -> str:
        raise error

    deadline = None if patience is None else time.monotonic() + patience
    with pytest.raises(StatusError) as caught:
        await Bench(run).call(deadline=deadline)
    assert caught.value.status.code == Code.INTERNAL.value
    assert "secret" not in str(caught.value.status)


async def test_what_can_not_be_encoded_is_internal_too() -> None:
    """Encoding is a step like the others."""

    async def run(*_: object) -> object:
        return 5

    assert await Bench(run).refusal() == ("INTERNAL", "INTERNAL")


@pytest.mark.parametrize("left", [-1.0, 0.0, 0.01])
async def test_a_call_ends_with_its_time(left: float) -> None:
    """Whatever it is waiting for."""

    async def run(*_: object) -> str:
        await asyncio.Event().wait()
        return ""

    assert await Bench(run).refusal(deadline=time.monotonic() + left) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


async def test_a_cancelled_call_is_cancelled() -> None:
    """It is not an error."""
    entered = asyncio.Event()

    async def run(*_: object) -> str:
        entered.set()
        await asyncio.Event().wait()
        return ""

    task = asyncio.create_task(Bench(run).call(deadline=time.monotonic() + 60))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_trace_that_the_caller_began_goes_on() -> None:
    """It is the caller's id for commands, and for the change."""
    bench = Bench()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    await bench.call(metadata={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    assert bench.callers[0].trace_id == trace_id


@pytest.mark.parametrize("traceparent", ["", "x", "00-0-0-0", "ö" * 500])
async def test_a_broken_trace_is_ignored(traceparent: str) -> None:
    """It does not affect the call."""
    assert (await Bench().call(metadata={"traceparent": traceparent})).name == "x"


async def test_calls_are_counted_by_method_transport_and_code() -> None:
    """Dashboards rely on these labels."""

    async def run(*_: object) -> str:
        raise Aborted("x")

    def count(code: str) -> float:
        labels = {"method": PATH, "transport": "test", "code": code}
        return REGISTRY.get_sample_value("egress_requests_total", labels) or 0

    before = count("OK"), count("ABORTED")
    await Bench().call(transport="test")
    await Bench(run).refusal(transport="test")
    assert (count("OK"), count("ABORTED")) == (before[0] + 1, before[1] + 1)


async def test_streams_are_admitted_by_the_same_guard() -> None:
    """Identity and permission, with the error as a refusal."""
    bench = Bench()
    call = RpcCall("grpc", "peer", {})
    await bench.pipeline.admit("egress.agents.attach", "-", call)
    assert bench.log == ["authenticate", ("authorize", "user:alice from peer", "egress.agents.attach", "-")]
    bench.guard.forbids = True
    with pytest.raises(StatusError) as caught:
        await bench.pipeline.admit("egress.agents.attach", "-", call)
    assert caught.value.status.code == Code.PERMISSION_DENIED.value
