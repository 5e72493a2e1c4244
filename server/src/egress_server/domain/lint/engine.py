"""Rules that look at a mutation beside what is already there; `rule.py` says what a rule is, docs/lint what each finds.

Codes: EGR01xx service entries, EGR02xx faults, EGR03xx outbound policies, EGR04xx interceptions, EGR05xx everything,
EGR07xx what others have put on the clusters (EGR06xx are those of domain/explain.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.entries.dynamic_dns_protocol import DynamicDnsProtocol
from egress_server.domain.lint.entries.forbidden_address import ForbiddenAddress
from egress_server.domain.lint.entries.http_on_443 import HttpOn443
from egress_server.domain.lint.entries.http_port_for_all import HttpPortForAll
from egress_server.domain.lint.entries.invisible_export import InvisibleExport
from egress_server.domain.lint.entries.overrides_ports import OverridesPorts
from egress_server.domain.lint.entries.protocol_conflict import ProtocolConflict
from egress_server.domain.lint.entries.resolver_load import ResolverLoad
from egress_server.domain.lint.entries.shared_tcp_port import SharedTcpPort
from egress_server.domain.lint.entries.tcp_without_addresses import TcpWithoutAddresses
from egress_server.domain.lint.entries.wildcard_dns import WildcardDns
from egress_server.domain.lint.faults.delay_over_timeout import DelayOverTimeout
from egress_server.domain.lint.faults.fault_out_of_sight import FaultOutOfSight
from egress_server.domain.lint.faults.fault_without_entry import FaultWithoutEntry
from egress_server.domain.lint.faults.fault_without_http import FaultWithoutHttp
from egress_server.domain.lint.faults.grpc_abort import GrpcAbort
from egress_server.domain.lint.foreign.ambient import Ambient
from egress_server.domain.lint.foreign.hidden_by_sidecar import HiddenBySidecar
from egress_server.domain.lint.foreign.host_conflict import ForeignHostConflict
from egress_server.domain.lint.foreign.policy_gaps import PolicyGaps
from egress_server.domain.lint.foreign.port_conflict import ForeignPortConflict
from egress_server.domain.lint.foreign.protocol_conflict import ForeignProtocolConflict
from egress_server.domain.lint.foreign.route_conflict import ForeignRouteConflict
from egress_server.domain.lint.foreign.stale_pods import StalePods
from egress_server.domain.lint.foreign.unsupported_by_istio import UnsupportedByIstio
from egress_server.domain.lint.policies.databases_by_allow_any import DatabasesByAllowAny
from egress_server.domain.lint.policies.equal_rank import EqualRank
from egress_server.domain.lint.policies.excludes_everything import ExcludesEverything
from egress_server.domain.lint.policies.forgets_services import ForgetsServices
from egress_server.domain.lint.policies.registry_only_alone import RegistryOnlyAlone
from egress_server.domain.lint.policies.shared_directory import SharedDirectory
from egress_server.domain.lint.policies.unknown_services import UnknownServices
from egress_server.domain.lint.policies.wider_clusters import WiderClusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.resources import (
    Cluster,
    Fault,
    Interception,
    Mesh,
    OutboundPolicy,
    Resource,
    ServiceEntry,
)

__all__ = ["RULES", "LintResult", "Rule", "lint", "lint_delete"]

# In the order of their codes.
RULES: tuple[Rule[Any], ...] = (
    ProtocolConflict(),
    SharedTcpPort(),
    WildcardDns(),
    DynamicDnsProtocol(),
    ForbiddenAddress(),
    TcpWithoutAddresses(),
    HttpPortForAll(),
    HttpOn443(),
    OverridesPorts(),
    InvisibleExport(),
    ResolverLoad(),
    FaultWithoutHttp(),
    FaultWithoutEntry(),
    DelayOverTimeout(),
    GrpcAbort(),
    FaultOutOfSight(),
    EqualRank(),
    RegistryOnlyAlone(),
    DatabasesByAllowAny(),
    ExcludesEverything(),
    ForgetsServices(),
    UnknownServices(),
    WiderClusters(),
    SharedDirectory(),
    ForeignHostConflict(),
    ForeignPortConflict(),
    ForeignProtocolConflict(),
    ForeignRouteConflict(),
    HiddenBySidecar(),
    PolicyGaps(),
    UnsupportedByIstio(),
    Ambient(),
    StalePods(),
)
_KINDS = (Mesh, Cluster, OutboundPolicy, ServiceEntry, Fault, Interception)
_RULES_ON = {kind: tuple(rule for rule in RULES if kind in rule.on) for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class LintResult:
    """All findings on a mutation, and the buckets that the blocking rules looked at."""

    findings: tuple[Finding, ...]
    reads: frozenset[str]


def lint(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on setting `resource`, in the order of the rules."""
    rules = _RULES_ON[type(resource)]
    return _result(
        (finding for rule in rules for finding in rule.check(snapshot, resource)),
        (bucket for rule in rules for bucket in rule.reads(snapshot, resource)),
    )


def lint_delete(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on deleting `resource`, in the order of the rules."""
    rules = _RULES_ON[type(resource)]
    return _result(
        (finding for rule in rules for finding in rule.check_delete(snapshot, resource)),
        (bucket for rule in rules for bucket in rule.delete_reads(snapshot, resource)),
    )


def _result(findings: Iterable[Finding], reads: Iterable[str]) -> LintResult:
    return LintResult(tuple(findings), frozenset(reads))
