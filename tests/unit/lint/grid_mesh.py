"""Rows for the rules about what MeshConfig, revisions and foreign DestinationRules do to managed resources."""

from dataclasses import replace
from typing import Any

from egress_server.domain.istio.destination_rule import DestinationRuleSpec, TlsMode, TrafficPolicy
from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.domain.model.resources import (
    ConnectionLimits,
    Endpoint,
    OutboundPolicy,
    Resolution,
    TlsOrigination,
    TrafficSettings,
)
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import ForeignDestinationRule, IgnoredObject
from tests.support.inventories import BEFORE, inventory, kubernetes, sidecar
from tests.support.meshes import entry, fault, interception, policy, ports, selector
from tests.unit.lint.cases import Case, case
from tests.unit.lint.grid_foreign import METADATA, on_east

BANK, DNS = entry("bank", namespace="prod"), Resolution.DNS
LOCAL = policy("REGISTRY_ONLY", scope=Scope("prod"))
UNREAD: dict[str, Any] = {"ignored_namespaces": ("prod",)}

NAMESPACES = [
    on_east("an entry that istiod does not read", BANK, "EGR0710 name", **UNREAD),
    on_east("an entry that it reads", entry("bank"), **UNREAD),
    on_east("an entry for another cluster", replace(BANK, cluster_selector=selector("west")), **UNREAD),
    on_east("a policy that it does not read", LOCAL, "EGR0710 scope.namespace", there=[BANK, METADATA], **UNREAD),
    on_east("a policy for the mesh", policy("REGISTRY_ONLY"), there=[BANK, METADATA], **UNREAD),
]


def rule(host: str, tls: TlsMode | None = TlsMode.SIMPLE, namespace: str = "prod", **more: Any) -> dict[str, Any]:
    """An inventory with a DestinationRule for this host."""
    spec = DestinationRuleSpec(host, policy=TrafficPolicy(True, tls, **more))
    return {"destination_rules": (ForeignDestinationRule(namespace, "theirs", BEFORE, spec, "kubectl"),)}


DOUBLED = "EGR0711 hosts[0]"
HTTP_ONLY = replace(BANK, ports=ports("80:HTTP"))
ORIGINATING = replace(
    BANK, ports=ports("80:HTTP:443"), resolution=DNS, traffic=TrafficSettings(tls_origination=TlsOrigination())
)
RULES = [
    on_east("TLS for exactly the host", BANK, DOUBLED, **rule("bank.example.com")),
    on_east("TLS for a wildcard above it", BANK, DOUBLED, **rule("*.example.com")),
    on_east("TLS for the top level, in the root namespace", BANK, DOUBLED, **rule("*.com", namespace="istio-system")),
    on_east("TLS for clients of one namespace", BANK, DOUBLED, **rule("*.example.com", namespace="shop")),
    on_east("TLS for clients that don't see it", replace(BANK, export_to=(".",)), **rule("*.com", namespace="shop")),
    on_east("TLS for another host", BANK, **rule("*.example.org")),
    on_east("no TLS", BANK, **rule("*.example.com", None)),
    on_east("TLS disabled", BANK, **rule("*.example.com", TlsMode.DISABLE)),
    on_east(
        "TLS on a port that the entry has not", HTTP_ONLY, **rule("*.example.com", None, port_tls={443: TlsMode.SIMPLE})
    ),
    on_east("TLS on all ports but those", BANK, **rule("*.example.com", port_tls={80: None, 443: TlsMode.DISABLE})),
    on_east("TLS on its port", HTTP_ONLY, DOUBLED, **rule("*.example.com", None, port_tls={80: TlsMode.SIMPLE})),
    on_east(
        "TLS to port 443",
        replace(HTTP_ONLY, ports=ports("80:HTTP:443"), resolution=DNS),
        "EGR0112 ports[0].target_port",
        **rule("*.example.com"),
    ),
    on_east(
        "TLS to its endpoints",
        replace(HTTP_ONLY, resolution=Resolution.STATIC, endpoints=(Endpoint("203.0.113.9", {"http-80": 8443}),)),
        **rule("*.example.com"),
    ),
    on_east("its own TLS is nearer", ORIGINATING, **rule("*.example.com")),
    on_east(
        "a rule without TLS is nearer",
        BANK,
        destination_rules=(
            *rule("*.example.com")["destination_rules"],
            *rule("bank.example.com", None)["destination_rules"],
        ),
    ),
]

PRIVATE, HIDDEN = MeshSettings(private_namespaces=("prod",)), MeshSettings(hidden_namespaces=("prod",))
VISIBILITY = [
    on_east("exported to all, seen by its namespace", BANK, "EGR0712 export_to", mesh=PRIVATE),
    on_east("exported to its namespace, seen by it", replace(BANK, export_to=(".",)), mesh=PRIVATE),
    on_east(
        "exported to its namespace, seen by none", replace(BANK, export_to=(".",)), "EGR0712 export_to", mesh=HIDDEN
    ),
    on_east("in another namespace", entry("bank"), mesh=HIDDEN),
]

CAPTURE: dict[str, Any] = {"mesh": MeshSettings(dns_capture=True)}
DB: dict[str, Any] = {"ports": ports("3306:TCP"), "resolution": DNS}
ONLY_HTTPS: dict[str, Any] = {"ports": ports("443:HTTPS"), "resolution": DNS}
TAKES, FEWER = "EGR0106 ports[0].number", "EGR0713 ports"
DNS_CAPTURE = [
    on_east("a database", entry("a", **DB), **CAPTURE),
    on_east("a second database", entry("b", **DB), there=[entry("a", **DB)], **CAPTURE),
    on_east("a database next to HTTP", entry("b", **DB), there=[entry("a", ports=ports("3306:HTTP"))], **CAPTURE),
    on_east("a database at its original address", entry("a", ports=ports("3306:TCP")), TAKES, **CAPTURE),
    on_east(
        "a database of a wildcard",
        entry("a", hosts=("*.a.com",), **{**DB, "resolution": Resolution.STATIC}),
        TAKES,
        "EGR0123 endpoints",
        **CAPTURE,
    ),
    on_east(
        "a database without an allocated address",
        entry("a", labels={"networking.istio.io/enable-autoallocate-ip": "false"}, **DB),
        TAKES,
        **CAPTURE,
    ),
    on_east(
        "no addresses are allocated", entry("a", **DB), TAKES, mesh=MeshSettings(dns_capture=True, auto_allocate=False)
    ),
    on_east("no DNS capture", entry("a", **DB), TAKES, mesh=MeshSettings()),
    on_east("DNS capture on one of two clusters", entry("a", **DB), TAKES, there=[kubernetes("west")], **CAPTURE),
    on_east("a web host without HTTP", entry("a", **ONLY_HTTPS), FEWER, **CAPTURE),
    on_east("a web host with both ports", entry("a", resolution=DNS), **CAPTURE),
    on_east("a web host under REGISTRY_ONLY", entry("a", **ONLY_HTTPS), there=[policy("REGISTRY_ONLY")], **CAPTURE),
    on_east("a web host without HTTP again", entry("a", **ONLY_HTTPS), there=[entry("a", **ONLY_HTTPS)], **CAPTURE),
    on_east(
        "a web host that loses HTTP", entry("a", **ONLY_HTTPS), FEWER, there=[entry("a", resolution=DNS)], **CAPTURE
    ),
    on_east("a web host without DNS capture", entry("a", **ONLY_HTTPS)),
]

ALLOCATED = "EGR0405 include_cidrs"
RANGES = [
    on_east(
        "the service ranges",
        interception(include_service_cidrs=True),
        ALLOCATED,
        service_cidrs=("10.96.0.0/12",),
        **CAPTURE,
    ),
    on_east(
        "the allocated range as well",
        interception(include_cidrs=("240.240.0.0/16",), include_service_cidrs=True),
        service_cidrs=("10.96.0.0/12",),
        **CAPTURE,
    ),
    on_east("all ranges", interception(), **CAPTURE),
    on_east(
        "the allocated range excluded", interception(exclude_cidrs=("240.0.0.0/4",)), "EGR0405 exclude_cidrs", **CAPTURE
    ),
    on_east(
        "the service ranges without DNS capture",
        interception(include_service_cidrs=True),
        service_cidrs=("10.96.0.0/12",),
    ),
]

CANARY: dict[str, Any] = {"labels": {"istio.io/rev": "canary"}}
OTHERS: dict[str, Any] = {"ignored": (IgnoredObject("Sidecar", "prod", "canary", "its label istio.io/rev is canary"),)}
REVISIONS = [
    on_east("an entry for another revision", entry("a", **CANARY), "EGR0714 labels"),
    on_east("an entry for this revision", entry("a", **CANARY), cluster=kubernetes(istio_revision="canary")),
    on_east("an entry for the default revision", entry("a", labels={"istio.io/rev": "default"})),
    on_east(
        "a policy next to a Sidecar of another revision",
        LOCAL,
        "EGR0714 scope.namespace",
        there=[BANK, METADATA],
        **OTHERS,
    ),
    on_east(
        "a policy for another namespace", policy("REGISTRY_ONLY", scope=Scope("lab")), there=[BANK, METADATA], **OTHERS
    ),
    on_east(
        "a policy next to an entry of another revision",
        LOCAL,
        there=[BANK, METADATA],
        ignored=(IgnoredObject("ServiceEntry", "prod", "x", "its label istio.io/rev is canary"),),
    ),
]

LIMITED = replace(BANK, traffic=TrafficSettings(connection_limits=ConnectionLimits(5)))
TAKEN, NONE = "EGR0715 hosts[0]", TlsMode.DISABLE
OWNERS = [
    on_east("limits and a rule for the host", LIMITED, TAKEN, **rule("bank.example.com", NONE)),
    on_east("limits and a rule of another namespace", LIMITED, **rule("bank.example.com", NONE, namespace="lab")),
    on_east("limits and a rule for a wildcard", LIMITED, **rule("*.example.com", NONE)),
    on_east("no settings and a rule for the host", BANK, **rule("bank.example.com", NONE)),
    on_east(
        "limits and an adopted rule",
        LIMITED,
        cluster=kubernetes(adopted=("DestinationRule/prod/theirs",)),
        **rule("bank.example.com", NONE),
    ),
]

WORKLOADS: dict[str, Any] = {"workloads": {"shop": 3}, "namespaces": ("default", "lab", "prod", "shop")}
EMPTY = "EGR0312 scope.namespace"
SCOPES = [
    on_east("a policy for a namespace without workloads", LOCAL, EMPTY, there=[BANK, METADATA], **WORKLOADS),
    on_east("an interception for one", interception(scope=Scope("prod")), EMPTY, **WORKLOADS),
    on_east(
        "a fault for one",
        fault(namespace="prod", source_namespace="lab"),
        "EGR0312 source_namespace",
        there=[BANK],
        **WORKLOADS,
    ),
    on_east("a fault for all", fault(), there=[BANK], **WORKLOADS),
    on_east(
        "a policy for one with workloads", LOCAL, there=[BANK, METADATA], **{**WORKLOADS, "workloads": {"prod": 1}}
    ),
    on_east("a policy before workloads are reported", LOCAL, there=[BANK, METADATA]),
    on_east(
        "a policy for a namespace that does not exist",
        LOCAL,
        "EGR0505 scope.namespace",
        there=[BANK, METADATA],
        **{**WORKLOADS, "namespaces": ("shop",)},
    ),
    on_east("one that a second cluster may have", LOCAL, there=[BANK, METADATA, kubernetes("west")], **WORKLOADS),
]


def for_labels(mode: str, id_: str, **labels: str) -> OutboundPolicy:
    """A policy for workloads of prod with these labels."""
    return policy(mode, id_, scope=Scope("prod", labels))


A, WEB = for_labels("REGISTRY_ONLY", "a", app="a"), for_labels("ALLOW_ANY", "web", tier="web")
DATABASE = entry("db", ports=ports("3306:TCP"), addresses=("203.0.113.9",))
BOTH = "EGR0310 scope.match_labels"
LABELS = [
    case("two labels that a workload may have", [A, DATABASE], WEB, BOTH),
    case("the same in the other order", [WEB, DATABASE], A, BOTH),
    case("one of two labels", [A, DATABASE], for_labels("ALLOW_ANY", "web", app="a", tier="web"), BOTH),
    case("two values of one label", [A, DATABASE], for_labels("ALLOW_ANY", "b", app="b")),
    case("two labels with one mode", [A, DATABASE], for_labels("REGISTRY_ONLY", "web", tier="web")),
    case(
        "two labels in two namespaces", [A, DATABASE], policy("ALLOW_ANY", "web", scope=Scope("lab", {"tier": "web"}))
    ),
    on_east(
        "an unmanaged Sidecar with another label",
        WEB,
        BOTH,
        there=[DATABASE],
        sidecars=(sidecar(namespace="prod", match_labels={"app": "a"}, mode="REGISTRY_ONLY"),),
    ),
    on_east(
        "an unmanaged Sidecar with another value",
        WEB,
        there=[DATABASE],
        sidecars=(sidecar(namespace="prod", match_labels={"tier": "db"}, mode="REGISTRY_ONLY"),),
    ),
]

GONE = inventory(ignored_namespaces=("prod",))
FORGOTTEN: list[Case] = [case("a cluster that is gone", [], BANK, inventories=[GONE])]

NAMES = tuple(f"h{number}.example.com" for number in range(250))
MANY: dict[str, Any] = {"hosts": NAMES, "resolution": DNS}
RESOLVERS = [
    on_east("many names for few workloads", entry("a", **MANY), workloads={"shop": 300, "lab": 50}),
    on_east("many names for many workloads", entry("a", **MANY), "EGR0111 resolution", workloads={"a": 300, "b": 300}),
    on_east("many names for one namespace", entry("a", export_to=(".",), **MANY), workloads={"a": 300, "default": 300}),
    on_east("many names for workloads that are not known", entry("a", **MANY), "EGR0111 resolution"),
]

CASES = [*NAMESPACES, *RULES, *VISIBILITY, *DNS_CAPTURE, *RANGES, *REVISIONS, *FORGOTTEN]
CASES += [*RESOLVERS, *OWNERS, *SCOPES, *LABELS]
