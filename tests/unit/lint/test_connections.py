"""Every rule of connections, row by row: what it finds, and what it accepts."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import ClusterReport, with_inventory
from egress_server.domain.desired.effective import effective, without
from egress_server.domain.lint.engine import CONNECTION_RULES, lint_connection
from egress_server.domain.lint.rule import Connection
from egress_server.domain.live.decision import LiveDecision, LiveReport, LiveUpstream
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.resources import ConnectionLimits, Resource, TrafficSettings
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.inventory import Inventory, PolicyGap, PolicyGapKind, UnevaluatedObject
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.simulate.evaluate import Request, evaluate
from tests.support.inventories import inventory, kubernetes, routes, sidecar
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports

HOST = "bank.example.com"
HTTP, HTTPS, TCP = Destination("http", HOST, 80), Destination("https", HOST, 443), Destination("tcp", HOST, 3306)
BANK, LEFT_OUT = entry("bank"), inventory(left_out={"services": 3})
SETTLED = ClusterStatus("east", Phase.SETTLED, 9)
POD = PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "default", "web-1", "it has no sidecar")
NO_NAMESPACE = Problem("NAMESPACE_MISSING", "namespace default does not exist")


@dataclass(frozen=True, slots=True)
class Row:
    """A connection from the namespace default. `finds` holds `CODE field` of all findings in order."""

    text: str
    there: tuple[Resource, ...]
    to: Destination = HTTP
    finds: tuple[str, ...] = ()
    cluster: Cluster = field(default_factory=kubernetes)
    inventory: Inventory | None = field(default_factory=inventory)
    status: ClusterStatus | None = SETTLED
    not_held: tuple[Resource, ...] = ()
    live: LiveDecision | None = None

    def lint(self) -> tuple[Finding, ...]:
        """The findings."""
        snapshot = History(self.cluster, *self.there, *self.not_held).snapshot
        obstacles = {resource.name: NO_NAMESPACE for resource in self.not_held}
        desired = without(effective(snapshot, self.cluster, BIRTH), obstacles)
        wanted = with_inventory(desired, self.inventory)
        report = ClusterReport(self.status, self.inventory, obstacles)
        evaluation = evaluate(wanted, Request(self.to, "default"))
        live = LiveReport(self.live) if self.live else None
        return lint_connection(Connection(snapshot, wanted, evaluation, report, live))


def row(text: str, there: list[Resource], *finds: str, to: Destination = HTTP, **more: Any) -> Row:
    """A row; `more` are its fields."""
    return Row(text, tuple(there), to, finds, **more)


UNSEEN, HIDDEN, TAKEN, INCOMPLETE = "EGR0601 url", "EGR0602 namespace", "EGR0603 url", "EGR0604 cluster"
FOREIGN, NOT_HELD, PODS, NO_REQUESTS = "EGR0605 url", "EGR0606 cluster", "EGR0607 namespace", "EGR0608 url"
METADATA, STRICT = "EGR0610 url", policy("REGISTRY_ONLY")
OPAQUE, FILTER = "EGR0609 url", UnevaluatedObject("EnvoyFilter", "istio-system", "theirs", owner="helm")
ROUTES = inventory(virtual_services=(routes(HOST),))
OFFLINE = replace(SETTLED, phase=Phase.OFFLINE)
DIFFERS = "EGR0611 url"
SENT = LiveUpstream(f"outbound|80||{HOST}", 1.0, Outcome.REGISTERED, "SENT", HOST, 80)
ELSEWHERE = replace(SENT, cluster="outbound|80||x.example.com", host="x.example.com")
LIVE = LiveDecision(Outcome.REGISTERED, "SENT", upstreams=(SENT,))
SLOW = entry("bank", traffic=TrafficSettings(timeout=1.0))
PRIVATE = entry("bank", namespace="prod", export_to=(".",))
DB = entry("db", ports=ports("3306:TCP"))
ROWS = [
    row("a fault on TLS", [BANK, fault()], UNSEEN, to=HTTPS),
    row("a fault on HTTP", [BANK, fault()]),
    row("a fault on another host", [BANK, fault(host="shop.example.com")], to=HTTPS),
    row("a fault past the sidecar", [BANK, fault(), interception(none=True)], to=HTTPS),
    row("a timeout on TLS", [SLOW], NO_REQUESTS, to=HTTPS),
    row("a timeout on HTTP", [SLOW]),
    row("a timeout on a port that is not registered", [SLOW], to=Destination("https", HOST, 8443)),
    row("a timeout past the sidecar", [SLOW, interception(none=True)], to=HTTPS),
    row("limits on TLS", [entry("bank", traffic=TrafficSettings(connection_limits=ConnectionLimits(5)))], to=HTTPS),
    row("an entry of another namespace", [PRIVATE], HIDDEN),
    row(
        "an entry behind a Sidecar",
        [entry("bank", namespace="prod")],
        HIDDEN,
        inventory=inventory(sidecars=(sidecar("./*"),)),
    ),
    row("an entry exported to all", [entry("bank", namespace="prod")]),
    row("an entry for another host", [entry("shop", namespace="prod", export_to=(".",))]),
    row("another host's TCP port", [DB], TAKEN, to=TCP),
    row("the host's own TCP port", [entry("bank", ports=ports("3306:TCP"))], to=TCP),
    row("a TCP port with addresses", [replace(DB, addresses=("203.0.113.5",))], to=TCP),
    row("a cluster that was not observed yet", [BANK], INCOMPLETE, inventory=None),
    row("a cluster that is offline", [BANK], INCOMPLETE, status=OFFLINE),
    row("a cluster without a status", [BANK], INCOMPLETE, status=None),
    row("more objects than are kept", [BANK], INCOMPLETE, inventory=LEFT_OUT),
    row("nothing was left out", [BANK], inventory=inventory(left_out={"services": 0})),
    row("a cluster that is held", [BANK], INCOMPLETE, status=replace(SETTLED, phase=Phase.HELD, applied_revision=1)),
    row("a cluster that is held with nothing to apply", [BANK], status=replace(SETTLED, phase=Phase.HELD)),
    row("a local cluster", [BANK], cluster=cluster(), inventory=None, status=None),
    row("a fault behind a VirtualService", [BANK, fault()], FOREIGN, inventory=ROUTES),
    row("a timeout behind a VirtualService", [SLOW], FOREIGN, inventory=ROUTES),
    row("nothing to route behind a VirtualService", [BANK], inventory=ROUTES),
    row("a VirtualService for another host", [BANK, fault()], inventory=inventory(virtual_services=(routes("a.b"),))),
    row("an entry that is not held", [], NOT_HELD, not_held=(BANK,)),
    row("a fault that is not held", [BANK], NOT_HELD, not_held=(fault(),)),
    row("a policy that is not held", [BANK], NOT_HELD, not_held=(policy("ALLOW_ANY"),)),
    row("another host's entry is not held", [BANK], not_held=(entry("shop"),)),
    row("a pod without a sidecar", [BANK], PODS, inventory=inventory(policy_gaps=(POD,))),
    row("a pod of another namespace", [BANK], inventory=inventory(policy_gaps=(replace(POD, namespace="lab"),))),
    row("a metadata service", [STRICT], METADATA, to=Destination("http", "169.254.169.254", 80)),
    row("a metadata service under ALLOW_ANY", [], to=Destination("http", "169.254.169.254", 80)),
    row(
        "a metadata service past the sidecar",
        [STRICT, interception(exclude_cidrs=("169.254.169.254/32",))],
        to=Destination("http", "169.254.169.254", 80),
    ),
    row("another address", [STRICT], to=Destination("http", "203.0.113.9", 80)),
    row("an EnvoyFilter", [BANK], OPAQUE, inventory=inventory(unevaluated=(FILTER,))),
    row(
        "an EnvoyFilter of another namespace",
        [BANK],
        inventory=inventory(unevaluated=(replace(FILTER, client_namespace="lab"),)),
    ),
    row(
        "an EnvoyFilter for other workloads",
        [BANK],
        inventory=inventory(unevaluated=(replace(FILTER, match_labels={"app": "x"}),)),
    ),
    row(
        "a route of the Gateway API", [BANK], OPAQUE, inventory=inventory(unevaluated=(replace(FILTER, hosts=(HOST,)),))
    ),
    row(
        "a route of the Gateway API for another host",
        [BANK],
        inventory=inventory(unevaluated=(replace(FILTER, hosts=("shop.example.com",)),)),
    ),
    row("a sidecar that is as predicted", [BANK], live=LIVE),
    row("a sidecar that sends it elsewhere", [BANK], DIFFERS, live=replace(LIVE, upstreams=(ELSEWHERE,))),
    row("a sidecar that blocks it", [BANK], DIFFERS, live=LiveDecision(Outcome.BLOCKED, "BLACK_HOLE")),
    row("a sidecar that is not decided", [BANK], live=LiveDecision(Outcome.INCONCLUSIVE, "UNDECIDED")),
    row(
        "a sidecar with the route of a VirtualService",
        [SLOW],
        live=replace(LIVE, owner="default/egress-bank.example.com"),
    ),
    row("a sidecar with another route", [SLOW], DIFFERS, live=replace(LIVE, owner="default/x")),
    row(
        "a Sidecar that allows any",
        [BANK],
        inventory=inventory(policy_gaps=(replace(POD, kind=PolicyGapKind.SIDECAR_ALLOWS_ANY),)),
    ),
]


@pytest.mark.parametrize("case", [pytest.param(each, id=each.text) for each in ROWS])
def test_findings(case: Row) -> None:
    """The connection has these findings and no others, each with a cause and a fix."""
    findings = case.lint()
    assert [f"{finding.code} {finding.field}" for finding in findings] == list(case.finds)
    for finding in findings:
        assert len(finding.cause) > 40
        assert len(finding.fix) > 15


def test_each_rule_has_rows() -> None:
    """Each rule finds something in one row, and accepts another one."""
    found = [{finding.split()[0] for finding in each.finds} for each in ROWS]
    for rule in CONNECTION_RULES:
        assert {rule.code in codes for codes in found} == {True, False}
