"""What an applier has told of a cluster, and what of that is worth knowing about one connection: how far its word goes,
what it could not put there, who else routes the request, which pods nothing holds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from egress_server.domain.desired.effective import Effective
from egress_server.domain.explain.candidates import Candidate
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import TargetKind, is_routed
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.observed.inventory import Inventory, PolicyGapKind
from egress_server.domain.simulate.evaluate import Evaluation

PARTLY_KNOWN = "EGR0604"
ROUTED_BY_OTHERS = "EGR0605"
NOT_HELD = "EGR0606"
PODS_BYPASS_POLICY = "EGR0607"

_SHOWN = 3
_OF_PODS = frozenset({PolicyGapKind.NOT_CAPTURED, PolicyGapKind.EXCLUDED, PolicyGapKind.AMBIENT})


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """`obstacles` are what the cluster does not hold, by resource name."""

    status: ClusterStatus | None = None
    inventory: Inventory | None = None
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


NO_REPORT = ClusterReport()


def caveat_findings(
    wanted: Effective, decision: Evaluation, told: ClusterReport, having_a_say: Iterable[Candidate]
) -> Iterator[Finding]:
    """The findings on one connection, given all that have a say in it."""
    if why := _gap(wanted, told):
        yield Finding(
            PARTLY_KNOWN,
            Severity.WARNING,
            "cluster",
            f"{why}; what is said here may be otherwise for that reason",
            "probe the destination: what a workload sees is the truth",
            resource=wanted.cluster.name,
        )
    yield from _routed(wanted, decision)
    yield from _not_held(each for each in having_a_say if each.resource in told.obstacles)
    yield from _escaping(wanted, decision, told)


def _gap(wanted: Effective, told: ClusterReport) -> str:
    """Why it is not known what is on the cluster besides ours; empty where it is, or where there can be nothing."""
    if wanted.cluster.target is not TargetKind.KUBERNETES:
        return ""
    if told.inventory is None:
        return "nobody has looked yet at what the cluster holds besides ours"
    if told.status is None or told.status.phase is Phase.OFFLINE:
        when = told.inventory.observe_time.isoformat(timespec="seconds")
        return f"the cluster can't be reached, and what it holds besides ours is known as of {when}"
    if left := {kind: count for kind, count in told.inventory.left_out.items() if count}:
        what = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(left.items()))
        return f"the cluster holds more besides ours than is kept of it: left out are {what}"
    return ""


def _routed(wanted: Effective, decision: Evaluation) -> Iterator[Finding]:
    foreign, host = decision.routing.foreign, decision.routing.host
    if foreign is None:
        return
    routed = [entry.name for entry in wanted.entries if host in entry.hosts and is_routed(entry.traffic)]
    faults = [active.fault.name for active in wanted.faults if active.fault.host == host]
    title = wanted.beside.title(virtual_service_name(foreign))
    for name in (*routed, *faults):
        yield Finding(
            ROUTED_BY_OTHERS,
            Severity.WARNING,
            "url",
            f"{title} routes requests to {host}, and Istio heeds one VirtualService for a host: what this resource "
            "says of requests does nothing here",
            f"egressctl cluster adopt {wanted.cluster.id} {virtual_service_name(foreign)}, or have it removed",
            resource=name,
            related_codes=("IST0109", "KIA1106"),
        )


def _not_held(not_held: Iterable[Candidate]) -> Iterator[Finding]:
    for candidate in not_held:
        yield Finding(
            NOT_HELD,
            Severity.WARNING,
            "cluster",
            f"{candidate.why}; the connection goes as if it were not there",
            "the rollout of its change says more, and what can be done",
            resource=candidate.resource,
        )


def _escaping(wanted: Effective, decision: Evaluation, told: ClusterReport) -> Iterator[Finding]:
    """Pods of the namespace that no policy holds."""
    namespace = decision.asked.namespace
    policy_gaps = told.inventory.policy_gaps if told.inventory else ()
    found = [gap for gap in policy_gaps if gap.namespace == namespace and gap.kind in _OF_PODS]
    if found:
        names = ", ".join(f"{gap.object_kind} {gap.name} ({gap.why})" for gap in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield Finding(
            PODS_BYPASS_POLICY,
            Severity.WARNING,
            "namespace",
            f"not all of {namespace} is held by policy: {names}{more}; for these what is said here does not hold",
            "egressctl cluster gaps lists them with the reasons",
            resource=wanted.cluster.name,
        )
