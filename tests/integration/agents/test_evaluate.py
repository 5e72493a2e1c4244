"""What the agent reads from the configuration of a real Envoy is what a probe then sees."""

import pytest

from egress_server.agents.agent.evaluator import Evaluator
from egress_server.agents.agent.resolver import Resolver
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.objects import IstioObject
from egress_server.domain.probe.evidence import Attempt, Destination
from egress_server.domain.probe.judge import judge
from egress_server.domain.probe.verdicts import Outcome
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.agents.conftest import Make
from tests.integration.local.objects import abort, apply, entry, mesh_policy, to, virtual_service
from tests.integration.local.world import HOST, World

LONG = "payments-gateway.eu-central-1.partners.department-of-many-words.example.com"
HTTP, HTTPS = Destination("http", HOST, 80), Destination("https", HOST, 443)


async def evaluated(target: LocalEnvoyTarget, world: World, destination: Destination, resolve: str = "") -> LiveReport:
    """The agent's report."""
    pinned = {(r.host, r.port): (r.address, r.port2) for r in world.resolve()}
    return await Evaluator(Resolver(pinned), target.envoy.admin.get)(Attempt(destination, "GET", resolve=resolve))


BLOCK = mesh_policy("REGISTRY_ONLY")
LONG_HTTP = Destination("http", LONG, 80)
ABORT = abort(418)


@pytest.mark.parametrize(
    ("objects", "destination", "outcome", "cause"),
    [
        ([], HTTP, Outcome.PASSTHROUGH, "UNREGISTERED_PASSED"),
        ([BLOCK], HTTPS, Outcome.BLOCKED, "BLACK_HOLE"),
        ([BLOCK, entry("a")], HTTP, Outcome.REGISTERED, "SENT"),
        ([BLOCK, entry("a")], HTTPS, Outcome.REGISTERED, "SENT"),
        ([entry("a"), virtual_service(HOST, {"fault": ABORT})], HTTP, Outcome.FAULTED, "FAULT"),
        (
            [BLOCK, entry("a"), virtual_service(HOST, {"route": [to("nowhere")]})],
            HTTP,
            Outcome.BLOCKED,
            "UNKNOWN_CLUSTER",
        ),
        ([BLOCK, entry("a")], LONG_HTTP, Outcome.BLOCKED, "DIRECT_RESPONSE"),
        ([BLOCK, entry("a", hosts=["*.example.com"], resolution="NONE")], LONG_HTTP, Outcome.REGISTERED, "SENT"),
        (
            [BLOCK, entry("a", hosts=[LONG], resolution="NONE"), virtual_service(LONG, {"fault": ABORT})],
            *(LONG_HTTP, Outcome.FAULTED, "FAULT"),
        ),
    ],
)
async def test_the_configuration_says_what_a_probe_sees(
    target: LocalEnvoyTarget,
    world: World,
    make: Make,
    objects: list[IstioObject],
    destination: Destination,
    outcome: Outcome,
    cause: str,
) -> None:
    """By policy, also for host names with many long labels."""
    await apply(target, *objects)
    resolve = "" if destination.host == HOST else "203.0.113.10"
    report = await evaluated(target, world, destination, resolve)
    assert (report.decision.outcome, report.decision.cause) == (outcome, cause), report
    evidence = await make(Attempt(destination, "GET", resolve=resolve, timeout=2.0))
    expected = {outcome, Outcome.UNREACHABLE} if resolve and outcome is Outcome.REGISTERED else {outcome}
    assert judge(destination, evidence).outcome in expected


async def test_a_report_has_versions_and_age(target: LocalEnvoyTarget, world: World) -> None:
    """Of the configuration that decides, and of the proxy."""
    await apply(target, entry("a"))
    report = await evaluated(target, world, HTTP)
    assert set(report.versions) == {"cds", "lds"}
    assert report.updated.startswith("20")
    assert report.proxy_version.count(".") == 2
    assert (report.rejected, report.warming, report.problem) == ((), (), "")


async def test_what_can_not_be_evaluated(target: LocalEnvoyTarget, world: World) -> None:
    """Has a reason."""

    async def gone(page: str) -> bytes:
        raise OSError("it is gone")

    async def odd(page: str) -> bytes:
        return b"[]"

    resolver = Resolver({(HOST, 80): ("203.0.113.10", 80)})
    for fetch in (gone, odd):
        report = await Evaluator(resolver, fetch)(Attempt(HTTP))
        assert (report.decision.cause, bool(report.problem)) == ("SIDECAR_UNREACHABLE", True)
    invalid = await Evaluator(Resolver({}), gone)(Attempt(HTTP, resolve="x"))
    assert invalid.decision.cause == "ADDRESS_INVALID"

    async def no_name(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    unresolved = await Evaluator(Resolver({}, no_name), gone)(Attempt(HTTP))
    assert unresolved.decision.cause == "NAME_NOT_RESOLVED"
