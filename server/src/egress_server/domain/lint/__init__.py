"""Rules that look at a mutation beside what is already there; `rule.py` says what a rule is, docs/lint what each finds.

Codes: EGR01xx service entries, EGR02xx faults, EGR03xx outbound policies, EGR04xx interceptions, EGR05xx everything,
EGR07xx what others have put on the clusters (EGR06xx are those of domain/explain.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from egress_server.domain.findings import Finding
from egress_server.domain.lint.ambient import Ambient
from egress_server.domain.lint.databases_by_allow_any import DatabasesByAllowAny
from egress_server.domain.lint.delay_over_timeout import DelayOverTimeout
from egress_server.domain.lint.dynamic_dns_protocol import DynamicDnsProtocol
from egress_server.domain.lint.equal_rank import EqualRank
from egress_server.domain.lint.escapes import Escapes
from egress_server.domain.lint.excludes_everything import ExcludesEverything
from egress_server.domain.lint.exported_to_nobody import ExportedToNobody
from egress_server.domain.lint.fault_out_of_sight import FaultOutOfSight
from egress_server.domain.lint.fault_without_entry import FaultWithoutEntry
from egress_server.domain.lint.fault_without_http import FaultWithoutHttp
from egress_server.domain.lint.forbidden_address import ForbiddenAddress
from egress_server.domain.lint.forgets_services import ForgetsServices
from egress_server.domain.lint.grpc_abort import GrpcAbort
from egress_server.domain.lint.hidden_by_sidecar import HiddenBySidecar
from egress_server.domain.lint.host_of_others import HostOfOthers
from egress_server.domain.lint.http_on_443 import HttpOn443
from egress_server.domain.lint.http_port_for_all import HttpPortForAll
from egress_server.domain.lint.old_pods import OldPods
from egress_server.domain.lint.port_of_others import PortOfOthers
from egress_server.domain.lint.protocol_conflict import ProtocolConflict
from egress_server.domain.lint.protocol_of_others import ProtocolOfOthers
from egress_server.domain.lint.registry_only_alone import RegistryOnlyAlone
from egress_server.domain.lint.resolver_load import ResolverLoad
from egress_server.domain.lint.routes_of_others import RoutesOfOthers
from egress_server.domain.lint.rule import Rule
from egress_server.domain.lint.shared_directory import SharedDirectory
from egress_server.domain.lint.shared_tcp_port import SharedTcpPort
from egress_server.domain.lint.takes_ports_away import TakesPortsAway
from egress_server.domain.lint.tcp_without_addresses import TcpWithoutAddresses
from egress_server.domain.lint.unknown_services import UnknownServices
from egress_server.domain.lint.unknown_to_istio import UnknownToIstio
from egress_server.domain.lint.wider_clusters import WiderClusters
from egress_server.domain.lint.wildcard_dns import WildcardDns
from egress_server.domain.resources import (
    Cluster,
    Fault,
    Interception,
    Mesh,
    OutboundPolicy,
    Resource,
    ServiceEntry,
)
from egress_server.domain.snapshot import Snapshot

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
    TakesPortsAway(),
    ExportedToNobody(),
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
    HostOfOthers(),
    PortOfOthers(),
    ProtocolOfOthers(),
    RoutesOfOthers(),
    HiddenBySidecar(),
    Escapes(),
    UnknownToIstio(),
    Ambient(),
    OldPods(),
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
