"""Policy, a real Envoy that follows it, and probes: what `evaluate` says is what happens, outcome by outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from egress_server.agents.agent.dialer import LocalDialer
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import (
    Abort,
    Delay,
    Endpoint,
    Fault,
    HeaderMatch,
    MatchKind,
    Resolution,
    Resource,
    Route,
    ServiceEntry,
    StringMatch,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.domain.probe.judge import judge
from egress_server.domain.probe.verdicts import Expectation, Outcome, Verdict
from egress_server.domain.render import render
from egress_server.domain.simulate.evaluate import predict
from egress_server.ports.clock import system_clock
from egress_server.targets.local.dial import open_connection
from egress_server.targets.local.target import LABELS, LocalEnvoyTarget
from tests.integration.local.objects import apply
from tests.integration.local.world import HOST, World
from tests.support.meshes import History, cluster, entry, interception, policy, ports

HTTP = Destination("http", HOST, 80)
HTTPS = Destination("https", HOST, 443)
TLS = Destination("tls", HOST, 443)
TCP = Destination("tcp", "db.example.com", 3306)
ADDRESS = "203.0.113.10"

BLOCK = policy("REGISTRY_ONLY")
ALIYUN = entry("aliyun", hosts=(HOST,), resolution=Resolution.DNS)


def fault(id_: str = "f", **fields: Any) -> Fault:
    """A fault on the document's host, for ten minutes."""
    whole: dict[str, Any] = {"host": HOST, "ttl": 600.0, **fields}
    return Fault(f"meshes/default/namespaces/default/faults/{id_}", **whole)


def database(world: World, **fields: Any) -> ServiceEntry:
    """A TCP service that speaks first, on loopback."""
    port = ports("3306:TCP")
    endpoint = Endpoint("127.0.0.1", {port[0].name: world.greeter})
    whole: dict[str, Any] = {"ports": port, "resolution": Resolution.STATIC, "endpoints": (endpoint,), **fields}
    return entry("db", **whole)


@dataclass
class Scene:
    """One workload next to a real Envoy, and the policy that applies to it."""

    target: LocalEnvoyTarget
    world: World
    history: History = field(default_factory=History)

    async def set(self, *resources: Resource) -> None:
        """Makes these resources all that the cluster holds."""
        self.history = History(cluster(), *resources, born=system_clock() - timedelta(minutes=1))
        await apply(self.target, *render(self.wanted()))

    def wanted(self) -> Effective:
        """What the cluster should hold."""
        return effective(self.history.snapshot, cluster(), system_clock())

    async def ask(
        self,
        destination: Destination,
        address: str = "",
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        method: str = "HEAD",
    ) -> tuple[Evidence, Verdict, Expectation]:
        """One attempt, its verdict, and what policy says of it."""
        known = {(r.host, r.port): (r.address, r.port2) for r in self.world.resolve()}
        known["db.example.com", 3306] = known["other.example.com", 3306] = ("127.0.0.1", self.world.greeter)
        known["dead.example.com", 3306] = ("127.0.0.1", 1)
        known["www.example.com", 443] = ("127.0.0.1", self.world.tls)
        make = Prober(
            Resolver(known),
            LocalDialer(partial(open_connection, self.target.envoy.address), lambda: self.target.interception),
            EnvoySidecar(self.target.envoy.admin.get),
            version="0.1.0",
        )
        evidence = await make(Attempt(destination, method, headers or {}, address, timeout))
        dialled = address or evidence.address.rpartition(":")[0]
        expected = predict(
            self.wanted(), "default", destination, dict(LABELS), address=dialled, headers=headers, method=method
        )
        return evidence, judge(destination, evidence), expected

    async def agree(self, destination: Destination, **more: Any) -> tuple[Evidence, Verdict]:
        """One attempt whose outcome is the expected one."""
        evidence, verdict, expected = await self.ask(destination, **more)
        assert expected.allows(verdict.outcome), (verdict, expected)
        return evidence, verdict


@pytest.fixture
def scene(target: LocalEnvoyTarget, world: World) -> Scene:
    """The workload."""
    return Scene(target, world)


async def test_abort(scene: Scene, world: World) -> None:
    """A request that a fault answers is FAULTED, with the fault's route and VirtualService as the cause; TLS is not."""
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(503)))
    evidence, verdict = await scene.agree(HTTP)
    assert (verdict.outcome, evidence.status) == (Outcome.FAULTED, 503)
    assert [cause.code for cause in verdict.causes] == ["FAULT_ABORT"]
    assert verdict.causes[0].text.startswith("route fault-default")
    assert f"of VirtualService default/egress-{HOST} aborts requests with HTTP 503" in verdict.causes[0].text
    assert world.seen == {}
    _, verdict = await scene.agree(HTTPS)
    assert verdict.outcome is Outcome.REGISTERED


async def test_abort_that_looks_like_a_block(scene: Scene) -> None:
    """A fault's 502 is FAULTED, and after it REGISTRY_ONLY's own 502 is BLOCKED."""
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(502)))
    _, verdict = await scene.agree(HTTP)
    assert verdict.outcome is Outcome.FAULTED
    await scene.set(BLOCK)
    _, verdict = await scene.agree(HTTP)
    assert verdict.outcome is Outcome.BLOCKED


async def test_grpc_abort(scene: Scene) -> None:
    """A gRPC abort answers a plain client with 200, and is FAULTED all the same."""
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(grpc_status="UNAVAILABLE")))
    evidence, verdict = await scene.agree(HTTP)
    assert (verdict.outcome, evidence.status) == (Outcome.FAULTED, 200)


async def test_delay(scene: Scene, world: World) -> None:
    """A delayed request is FAULTED although it arrives; the cause names both times."""
    await scene.set(BLOCK, ALIYUN, fault(delay=Delay(0.6)))
    evidence, verdict = await scene.agree(HTTP)
    assert (verdict.outcome, evidence.status) == (Outcome.FAULTED, 301)
    assert [cause.code for cause in verdict.causes] == ["FAULT_DELAY", "REGISTERED_UPSTREAM"]
    assert "delays requests by 0.6 s" in verdict.causes[0].text
    assert world.seen


async def test_delay_longer_than_the_attempt(scene: Scene, world: World) -> None:
    """A delay that outlasts the attempt's time is FAULTED, not silence."""
    await scene.set(BLOCK, ALIYUN, fault(delay=Delay(30.0)))
    _, verdict = await scene.agree(HTTP, timeout=0.5)
    assert verdict.outcome is Outcome.FAULTED
    assert world.seen == {}


async def test_delay_and_abort(scene: Scene) -> None:
    """A request that waits and then fails has both causes."""
    await scene.set(BLOCK, ALIYUN, fault(delay=Delay(0.4), abort=Abort(503)))
    _, verdict = await scene.agree(HTTP)
    assert [cause.code for cause in verdict.causes] == ["FAULT_ABORT", "FAULT_DELAY"]


async def test_fault_with_conditions(scene: Scene) -> None:
    """Only requests that carry the header, from workloads that are meant, are disturbed; the live route says which."""
    tester = (HeaderMatch("x-user", MatchKind.EXACT, "tester"),)
    labelled = fault("labelled", abort=Abort(504), source_labels={"app": "another"})
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(503), match_headers=tester), labelled)
    _, verdict = await scene.agree(HTTP)
    assert verdict.outcome is Outcome.REGISTERED
    _, verdict = await scene.agree(HTTP, headers={"X-User": "tester"})
    assert verdict.outcome is Outcome.FAULTED
    _, verdict = await scene.agree(HTTP, headers={"X-User": "other"})
    assert verdict.outcome is Outcome.REGISTERED


async def test_fault_by_path_and_method(scene: Scene) -> None:
    """Only requests for the path, and by the method, are disturbed; the Host header counts with its port."""
    orders = fault(
        "orders",
        abort=Abort(503),
        match_uri=StringMatch(MatchKind.PREFIX, "/orders"),
        match_method=StringMatch(MatchKind.EXACT, "GET"),
        match_authority=StringMatch(MatchKind.REGEX, f"{HOST}(:80)?"),
    )
    await scene.set(BLOCK, ALIYUN, orders)
    for path, method, outcome in (
        ("/orders/1?a=b", "GET", Outcome.FAULTED),
        ("/orders/1", "HEAD", Outcome.REGISTERED),
        ("/carts", "GET", Outcome.REGISTERED),
    ):
        _, verdict = await scene.agree(replace(HTTP, path=path), method=method)
        assert verdict.outcome is outcome


async def test_fault_by_regular_expression(scene: Scene) -> None:
    """Whether an expression fits is the sidecar's word; policy allows both, and the verdict is the right one."""
    some = (HeaderMatch("x-user", MatchKind.REGEX, "te.*r"),)
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(503), match_headers=some))
    for user, outcome in (("tester", Outcome.FAULTED), ("other", Outcome.REGISTERED)):
        _, verdict = await scene.agree(HTTP, headers={"x-user": user})
        assert verdict.outcome is outcome


async def test_fault_for_some(scene: Scene) -> None:
    """A fault on a part of the requests lets the others be REGISTERED, and both agree."""
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(503, percent=50.0)))
    for _ in range(8):
        _, verdict = await scene.agree(HTTP)
        assert verdict.outcome in {Outcome.FAULTED, Outcome.REGISTERED}


async def test_failing_origin_is_not_a_fault(scene: Scene) -> None:
    """The origin's own answer is REGISTERED although a fault with that status is on the route."""
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(301, percent=0.0001)))
    evidence, verdict = await scene.agree(HTTP)
    assert (evidence.status, verdict.outcome) == (301, Outcome.REGISTERED)


async def test_fault_without_an_entry(scene: Scene) -> None:
    """A fault for an unregistered host disturbs it on port 80, and leads nowhere."""
    await scene.set(policy("ALLOW_ANY"), fault(delay=Delay(0.3)))
    evidence, verdict = await scene.agree(HTTP)
    assert (verdict.outcome, evidence.status) == (Outcome.FAULTED, 503)


async def test_routes_to_another_service(scene: Scene, world: World) -> None:
    """A request that a route leads to another registered service is REGISTERED through that one."""
    port = ports("8080:HTTP")
    endpoint = Endpoint("127.0.0.1", {port[0].name: world.http})
    other = entry("other", ports=port, resolution=Resolution.STATIC, endpoints=(endpoint,))
    routes = (Route((WeightedDestination("other.example.com", 8080),), (HeaderMatch("x-to-other"),)),)
    await scene.set(
        BLOCK, entry("aliyun", hosts=(HOST,), resolution=Resolution.DNS, traffic=TrafficSettings(routes=routes)), other
    )
    _, verdict = await scene.agree(HTTP, headers={"x-to-other": "1"})
    assert (verdict.outcome, verdict.upstream) == (Outcome.REGISTERED, "outbound|8080||other.example.com")
    _, verdict = await scene.agree(HTTP)
    assert verdict.upstream == f"outbound|80||{HOST}"


@pytest.mark.parametrize(
    ("fields", "address", "captured"),
    [
        ({}, ADDRESS, True),
        ({"exclude_cidrs": ("203.0.113.0/24",)}, ADDRESS, False),
        ({"exclude_cidrs": ("203.0.113.0/24",)}, "198.51.100.7", True),
        ({"exclude_cidrs": ("127.0.0.0/8",)}, "", False),
        ({"include_cidrs": ("198.51.100.0/24",)}, ADDRESS, False),
        ({"include_cidrs": ("198.51.100.0/24", "203.0.113.0/24")}, ADDRESS, True),
        ({"include_cidrs": ("198.51.100.0/24",), "include_outbound_ports": (80, 443, 3306)}, ADDRESS, True),
        ({"exclude_outbound_ports": (80, 443, 3306)}, ADDRESS, False),
        ({"none": True}, ADDRESS, False),
    ],
)  # fmt: skip
async def test_interception(
    scene: Scene, world: World, fields: Mapping[str, Any], address: str, captured: bool
) -> None:
    """Connections that interception leaves out bypass REGISTRY_ONLY, of every kind; the others are blocked."""
    await scene.set(BLOCK, interception(**fields))
    for destination in (HTTP, HTTPS, TLS, TCP):
        evidence, verdict = await scene.agree(destination, address=address)
        assert verdict.outcome is (Outcome.BLOCKED if captured else Outcome.BYPASSED), destination
        assert evidence.captured is captured
        assert evidence.answered is (not captured or evidence.status == 502)


async def test_bypass_of_a_fault(scene: Scene, world: World) -> None:
    """What bypasses the sidecar is disturbed by no fault, and meets no REGISTRY_ONLY."""
    await scene.set(BLOCK, ALIYUN, fault(abort=Abort(503)), interception(exclude_cidrs=("203.0.113.10/32",)))
    evidence, verdict = await scene.agree(HTTP, address=ADDRESS)
    assert (verdict.outcome, evidence.status) == (Outcome.BYPASSED, 301)
    assert "x-envoy-upstream-service-time" not in dict(evidence.headers)
    _, verdict = await scene.agree(HTTP, address="203.0.113.11")
    assert verdict.outcome is Outcome.FAULTED


async def test_tcp(scene: Scene, world: World) -> None:
    """A TCP connection is PASSTHROUGH, BLOCKED or REGISTERED as the others are; nothing of what is said is kept."""
    await scene.set(policy("ALLOW_ANY"))
    evidence, verdict = await scene.agree(TCP)
    assert (verdict.outcome, evidence.error) == (Outcome.PASSTHROUGH, "")
    await scene.set(BLOCK)
    evidence, verdict = await scene.agree(TCP)
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.BLOCKED, "BLOCKED_CLOSED")
    assert evidence.error.startswith("connection ")
    await scene.set(BLOCK, database(world))
    evidence, verdict = await scene.agree(TCP)
    assert (verdict.outcome, verdict.upstream) == (Outcome.REGISTERED, "outbound|3306||db.example.com")
    assert evidence.answered
    assert (evidence.status, evidence.headers) == (0, ())


async def test_tcp_to_one_who_waits(scene: Scene, world: World) -> None:
    """A server that waits for the client is as REGISTERED as one that speaks first."""
    port = ports("3306:TCP")
    endpoint = Endpoint("127.0.0.1", {port[0].name: world.http})
    await scene.set(BLOCK, database(world, endpoints=(endpoint,)))
    evidence, verdict = await scene.agree(TCP)
    assert (verdict.outcome, evidence.answered) == (Outcome.REGISTERED, True)


async def test_tcp_without_a_server(scene: Scene, world: World) -> None:
    """A registered TCP service without a server is UNREACHABLE."""
    dead = database(world, hosts=("dead.example.com",), endpoints=(Endpoint("127.0.0.1", {"tcp-3306": 1}),))
    await scene.set(BLOCK, dead)
    _, verdict, _ = await scene.ask(Destination("tcp", "dead.example.com", 3306))
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.UNREACHABLE, "UPSTREAM_CONNECT_FAILED")


async def test_tcp_by_address(scene: Scene, world: World) -> None:
    """TCP entries with addresses take connections to those only, and one without takes the rest of the port."""
    await scene.set(BLOCK, database(world, addresses=("203.0.113.0/24",)))
    _, verdict = await scene.agree(TCP, address=ADDRESS)
    assert verdict.outcome is Outcome.REGISTERED
    _, verdict = await scene.agree(TCP, address="198.51.100.7")
    assert verdict.outcome is Outcome.BLOCKED
    await scene.set(BLOCK, database(world, addresses=(ADDRESS,)))
    _, verdict = await scene.agree(TCP, address=ADDRESS)
    assert verdict.outcome is Outcome.REGISTERED
    _, verdict = await scene.agree(TCP, address="203.0.113.11")
    assert verdict.outcome is Outcome.BLOCKED


async def test_port_taken(scene: Scene, world: World) -> None:
    """A TCP entry without addresses takes connections to another host too, and the evaluation reports that."""
    await scene.set(BLOCK, database(world))
    _, verdict = await scene.agree(Destination("tcp", "other.example.com", 3306))
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.REGISTERED, "TAKEN_BY_PORT")


async def test_tls(scene: Scene) -> None:
    """A TLS connection goes by its server name, and ends after the handshake."""
    await scene.set(BLOCK, ALIYUN)
    evidence, verdict = await scene.agree(TLS)
    assert (verdict.outcome, evidence.status, evidence.answered) == (Outcome.REGISTERED, 0, True)
    assert evidence.timings.tls is not None
    evidence, verdict = await scene.agree(Destination("tls", "www.example.com", 443))
    assert (verdict.outcome, bool(evidence.tls_error)) == (Outcome.BLOCKED, True)


async def test_wildcard(scene: Scene) -> None:
    """A wildcard serves every host below it, by Host and by server name, and passes to the address that was dialled."""
    await scene.set(BLOCK, entry("wide", hosts=("*.aliyun.com",)))
    for destination in (HTTP, HTTPS, TLS):
        _, verdict = await scene.agree(destination)
        assert verdict.outcome is Outcome.REGISTERED


async def test_http_port_that_gets_tls(scene: Scene) -> None:
    """TLS to a port declared HTTP counts as unregistered: the outbound policy decides whether it passes."""
    plain = entry("plain", hosts=("plain.example.com",), ports=ports("443:HTTP"))
    for mode, outcome in ((policy("ALLOW_ANY"), Outcome.PASSTHROUGH), (BLOCK, Outcome.BLOCKED)):
        await scene.set(mode, plain)
        for destination in (HTTPS, TLS):
            _, verdict = await scene.agree(destination)
            assert verdict.outcome is outcome


@pytest.mark.parametrize("protocol", ["HTTP", "TLS"])
async def test_silence_on_a_port_that_waits(scene: Scene, protocol: str) -> None:
    """On a port where the sidecar waits for the client's first words, silence decides nothing."""
    await scene.set(BLOCK, entry("it", hosts=("it.example.com",), ports=ports(f"3306:{protocol}")))
    _, verdict = await scene.agree(TCP, timeout=0.4)
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.INCONCLUSIVE, "TIMED_OUT")
