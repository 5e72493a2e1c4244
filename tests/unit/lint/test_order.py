"""Of two resources that conflict, whichever is written last gets the finding: the order makes no difference."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from egress_server.domain.lint.engine import RULES, lint
from egress_server.domain.model.resources import (
    Abort,
    Delay,
    Endpoint,
    Fault,
    Interception,
    OutboundPolicy,
    Resolution,
    Resource,
    Retries,
    ServiceEntry,
    TrafficSettings,
)
from egress_server.domain.model.selectors import Scope
from tests.support.meshes import History, entry, fault, interception, policy, ports, selector

# It compares an entry with everything that policy refers to; a policy that is set later is not to blame.
NOT_PAIRWISE = {"EGR0110"}

PORTS = ["80:HTTP", "80:HTTP 443:TLS", "80:TCP", "80:GRPC", "3306:TCP"]
EFFECTS = [{"abort": Abort(0, "UNAVAILABLE")}, {"delay": Delay(3.0), "abort": None}]
namespaces = st.sampled_from(["default", "prod"])
selectors = st.sampled_from([selector(), selector("east"), selector("west"), selector(region="eu")])


@st.composite
def entries(draw: st.DrawFn, id_: str) -> ServiceEntry:
    """An entry for one of two hosts."""
    fields: dict[str, Any] = {
        "namespace": draw(namespaces),
        "hosts": (draw(st.sampled_from(["bank.example.com", "shop.example.com"])),),
        "ports": ports(
            *draw(st.sampled_from([["80:HTTP"], ["80:HTTP", "443:TLS"], ["80:TCP"], ["80:GRPC"], ["3306:TCP"]]))
        ),
        "resolution": draw(st.sampled_from([Resolution.NONE, Resolution.DNS, Resolution.STATIC])),
        "addresses": draw(st.sampled_from([(), ("203.0.113.5",), ("203.0.113.0/24",)])),
        "export_to": draw(st.sampled_from([(), (".",), ("prod",), ("default", "prod")])),
        "cluster_selector": draw(selectors),
        "traffic": draw(st.sampled_from([TrafficSettings(), TrafficSettings(timeout=1.0, retries=Retries(2))])),
    }
    if fields["resolution"] is Resolution.STATIC:
        fields["endpoints"] = (Endpoint("203.0.113.9"),)
    return entry(id_, **fields)


@st.composite
def faults(draw: st.DrawFn, id_: str) -> Fault:
    """A fault on one of the hosts."""
    effect: dict[str, Any] = draw(
        st.sampled_from([{"abort": Abort(0, "UNAVAILABLE")}, {"delay": Delay(3.0), "abort": None}])
    )
    return fault(
        id_,
        host=draw(st.sampled_from(["bank.example.com", "shop.example.com"])),
        source_namespace=draw(st.sampled_from(["", "prod"])),
        cluster_selector=draw(selectors),
        **effect,
    )


@st.composite
def policies(draw: st.DrawFn, id_: str) -> OutboundPolicy:
    """A policy for the mesh, a namespace or workloads."""
    scope = draw(st.sampled_from([Scope(), Scope("prod"), Scope("prod", {"app": "a"}), Scope("prod", {"tier": "web"})]))
    mode = draw(st.sampled_from(["ALLOW_ANY", "REGISTRY_ONLY"]))
    return policy(mode, id_, scope=scope, cluster_selector=draw(selectors))


@st.composite
def interceptions(draw: st.DrawFn, id_: str) -> Interception:
    """An interception that leaves out some connections."""
    fields: dict[str, Any] = draw(
        st.sampled_from([{"include_cidrs": ("10.0.0.0/8",)}, {"exclude_cidrs": ("203.0.113.0/24",)}, {"none": True}])
    )
    scope = draw(st.sampled_from([Scope(), Scope("prod")]))
    return interception(id_, scope=scope, cluster_selector=draw(selectors), **fields)


def resources(id_: str) -> st.SearchStrategy[Resource]:
    """Any resource that rules compare with others."""
    return st.one_of(entries(id_), faults(id_), policies(id_), interceptions(id_))


def harmless(resource: Resource) -> Resource:
    """The resource as it was before: it has nothing to do with any other one."""
    match resource:
        case ServiceEntry():
            return replace(resource, hosts=("harmless.example.net",), cluster_selector=selector("nowhere"))
        case Fault():
            return replace(resource, host="harmless.example.net", cluster_selector=selector("nowhere"))
        case OutboundPolicy() | Interception():
            return replace(resource, cluster_selector=selector("nowhere"))
    return resource


def caused(present: History, absent: History, resource: Resource) -> set[str]:
    """The rules that find something about `resource` only because of another resource."""
    with_other, without = (
        Counter(finding.code for finding in lint(history.snapshot, resource).findings) for history in (present, absent)
    )
    return set(with_other - without)


@settings(max_examples=400, deadline=None)
@given(resources("a"), resources("b"))
def test_whichever_is_written_last(older: Resource, younger: Resource) -> None:
    """With both resources as old as they are, the same rules find something if the older one is written last."""
    assume(older != younger)
    at_first = caused(History(older), History(), younger)
    later = caused(History(harmless(older), younger), History(harmless(older)), older)
    assert at_first - NOT_PAIRWISE == later - NOT_PAIRWISE


def test_the_exceptions_are_rules() -> None:
    """Each of them exists."""
    assert {rule.code for rule in RULES} >= NOT_PAIRWISE
