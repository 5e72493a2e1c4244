"""Rows for the rules about connections that bypass the sidecar (EGR0404)."""

from typing import Any

from egress_server.domain.model.resources import Resource
from egress_server.domain.model.selectors import Scope
from tests.support.inventories import inventory, kubernetes
from tests.support.meshes import cluster, entry, fault, interception, policy, ports, selector
from tests.unit.lint.cases import Case, case

INSIDE = interception(include_cidrs=("10.96.0.0/12",))
SERVICES = interception(include_service_cidrs=True)
METADATA = interception(exclude_cidrs=("169.254.169.254/32", "169.254.0.0/16", "100.100.100.200/32"))
PARTNER = interception(exclude_cidrs=("203.0.113.0/24",))
MAIL = interception(exclude_outbound_ports=(25,))
SHOP = interception("shop", include_cidrs=("10.96.0.0/12",), scope=Scope("shop"))
BANK, STRICT = entry("bank"), policy("REGISTRY_ONLY")
AT_PARTNER: dict[str, Any] = {"addresses": ("203.0.113.9",)}
POLICY, ENTRY, FAULT = "EGR0404 mode", "EGR0404 hosts", "EGR0404 host"
NARROW, BLOCKS = "EGR0404 include_cidrs", "EGR0311 mode"
EAST = kubernetes("east")


def injecting(text: str, new: Resource, *finds: str, there: Any = (), **values: str) -> Case:
    """A row on a cluster whose injector has these values."""
    everything = {"includeIPRanges": "*", "excludeIPRanges": "", "includeOutboundPorts": "", "excludeOutboundPorts": ""}
    return case(text, [EAST, *there], new, *finds, inventories=[inventory(injector={**everything, **values})])


WHOLE = [
    case("a policy under include ranges", [BANK, INSIDE], STRICT, POLICY),
    case("include ranges under a policy", [STRICT], INSIDE, NARROW),
    case("an entry under include ranges", [INSIDE], BANK, ENTRY),
    case("include ranges under an entry", [BANK], INSIDE, NARROW),
    case("a fault under include ranges", [BANK, INSIDE], fault(), FAULT),
    case("include ranges under a policy, an entry and a fault", [STRICT, BANK, fault()], INSIDE, *[NARROW] * 3),
    case("ALLOW_ANY under include ranges", [INSIDE, entry("db", ports=ports("3306:TCP"), addresses=("10.96.0.9",))],
         policy("ALLOW_ANY")),
    case("include ranges that nothing depends on", [], INSIDE),
    case("all addresses, in halves", [STRICT, BANK], interception(include_cidrs=("0.0.0.0/1", "128.0.0.0/1"))),
    case("an entry whose addresses are included", [interception(include_cidrs=("203.0.113.0/24",))],
         entry("bank", **AT_PARTNER)),
    case("an entry whose ports are included", [
        interception(include_cidrs=("10.96.0.0/12",), include_outbound_ports=(80, 443))], BANK),
    case("an entry one of whose ports is not included", [
        interception(include_cidrs=("10.96.0.0/12",), include_outbound_ports=(443,))], BANK, ENTRY),
    case("the service ranges only", [EAST, BANK], SERVICES, "EGR0404 include_service_cidrs"),
    case("the service ranges of a cluster without any", [cluster(), BANK], SERVICES, "EGR0403 include_service_cidrs"),
    case("an entry on a cluster without service ranges", [cluster(), SERVICES], BANK),
    case("none", [BANK], interception(none=True), "EGR0404 none"),
]  # fmt: skip

EXCLUDED = [
    case("a policy and the metadata service", [BANK, METADATA], STRICT),
    case("the metadata service under a policy, an entry and a fault", [STRICT, BANK, fault()], METADATA),
    case("a policy and a partner's range", [BANK, PARTNER], STRICT, POLICY),
    case("a partner's range under a policy", [STRICT], PARTNER, "EGR0404 exclude_cidrs"),
    case("an entry in an excluded range", [PARTNER], entry("bank", **AT_PARTNER), ENTRY),
    case("an excluded range with an entry", [entry("bank", **AT_PARTNER)], PARTNER, "EGR0404 exclude_cidrs"),
    case("an entry whose addresses are not known", [PARTNER], BANK),
    case("a fault in an excluded range", [entry("bank", **AT_PARTNER), PARTNER], fault(), FAULT),
    case("an entry with an excluded port", [MAIL], entry("mail", ports=ports("25:TCP"), addresses=("203.0.113.9",)),
         ENTRY),
    case("an excluded port with an entry", [entry("mail", ports=ports("25:TCP"), addresses=("203.0.113.9",))], MAIL,
         "EGR0404 exclude_outbound_ports"),
    case("an entry with other ports", [MAIL], BANK),
    case("a fault on another port than the excluded one", [BANK, interception(exclude_outbound_ports=(443,))], fault()),
]  # fmt: skip

SCOPED = [
    case("a policy for another namespace", [BANK, SHOP], policy("REGISTRY_ONLY", scope=Scope("lab"))),
    case("a policy for the namespace", [BANK, SHOP], policy("REGISTRY_ONLY", scope=Scope("shop")), POLICY),
    case("a policy for the mesh", [BANK, SHOP], STRICT, POLICY),
    case("a policy for other clusters", [BANK, interception(include_cidrs=("10.96.0.0/12",),
         cluster_selector=selector("west"))], policy("REGISTRY_ONLY", cluster_selector=selector("east"))),
    case("an entry that the namespace does not see", [SHOP], entry("bank", export_to=(".",))),
    case("a fault for another namespace", [BANK, SHOP], fault(source_namespace="lab")),
    case("a fault for the namespace", [BANK, SHOP], fault(source_namespace="shop"), FAULT),
    case("include ranges of a namespace without the fault", [entry("bank", export_to=("lab",)),
         fault(source_namespace="lab")], SHOP),
    case("interception of everything on the named cluster", [BANK, INSIDE, interception("east",
         cluster_selector=selector("east"))], policy("REGISTRY_ONLY", cluster_selector=selector("east"))),
]  # fmt: skip

INJECTED = [
    injecting("a policy under the injector's ranges", STRICT, BLOCKS, POLICY, there=[BANK],
              includeIPRanges="10.96.0.0/12"),
    injecting("an entry under the injector's ranges", BANK, ENTRY, includeIPRanges="10.96.0.0/12"),
    injecting("a fault on the injector's excluded port", fault(), FAULT, there=[BANK], excludeOutboundPorts="80"),
    injecting("an injector that captures everything", STRICT, BLOCKS, there=[BANK]),
    injecting("an injector that excludes the metadata service", STRICT, BLOCKS, there=[BANK],
              excludeIPRanges="169.254.169.254/32"),
    injecting("an interception that replaces the injector's ranges", BANK, there=[interception()],
              includeIPRanges="10.96.0.0/12"),
    injecting("an entry for another cluster", entry("bank", cluster_selector=selector("west")),
              includeIPRanges="10.96.0.0/12"),
]  # fmt: skip

CASES = [*WHOLE, *EXCLUDED, *SCOPED, *INJECTED]
