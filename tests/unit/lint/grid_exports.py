"""Rows for the rules about who sees an entry, and which of several entries of a host."""

from dataclasses import replace
from typing import Any

from egress_server.domain.model.resources import Endpoint, Resolution
from tests.support.meshes import entry, fault
from tests.unit.lint.cases import case
from tests.unit.lint.grid_entries import EU, US, WIDE, strict, web

TWICE = "EGR0130 hosts[0]"
_BOTH = entry("bank", namespace="shared")
_MINE: dict[str, Any] = {"hosts": ("bank.example.com",), "namespace": "prod"}

NAMESPACES = [
    case("fewer ports in the client's namespace", [_BOTH], web("b", "80:HTTP", **_MINE), "EGR0109 hosts[0]"),
    case("as many ports", [_BOTH], entry("b", **_MINE)),
    case(
        "other ports, private, elsewhere",
        [entry("bank", namespace="shared", export_to=(".",))],
        web("b", "80:HTTP", **_MINE),
    ),
    case("the missing port is in a neighbour", [_BOTH, entry("a", **_MINE)], web("b", "80:HTTP", **_MINE)),
    case("within one namespace ports merge", [entry("bank", namespace="prod")], web("b", "80:HTTP", **_MINE)),
    case(
        "within one namespace with another resolution",
        [web("bank", "80:HTTP", namespace="prod", resolution=Resolution.DNS)],
        web("b", "8080:HTTP", **_MINE),
        WIDE,
        "EGR0109 hosts[0]",
    ),
    case(
        "within one namespace with other labels",
        [web("bank", "80:HTTP", namespace="prod", labels={"team": "a"})],
        web("b", "443:HTTPS", **_MINE),
        "EGR0109 hosts[0]",
    ),
    case(
        "within one namespace, private",
        [entry("bank", namespace="prod")],
        web("b", "80:HTTP", export_to=(".",), **_MINE),
        "EGR0109 hosts[0]",
    ),
    case(
        "private first, within one namespace",
        [web("b", "80:HTTP", export_to=(".",), **_MINE)],
        entry("bank", namespace="prod"),
        "EGR0109 hosts[0]",
    ),
    case(
        "one port twice, with another resolution",
        [entry("bank", namespace="prod", resolution=Resolution.DNS)],
        entry("b", **_MINE),
        TWICE,
    ),
    case(
        "one port twice, with another target port",
        [web("bank", "80:HTTP:8080", namespace="prod")],
        web("b", "80:HTTP", **_MINE),
        TWICE,
    ),
    case(
        "one port twice, with other endpoints, for different namespaces",
        [
            entry(
                "bank",
                namespace="prod",
                export_to=("x",),
                resolution=Resolution.STATIC,
                endpoints=(Endpoint("203.0.113.5"),),
            ),
            strict("lab"),
        ],
        entry("b", resolution=Resolution.STATIC, endpoints=(Endpoint("203.0.113.6"),), export_to=("lab",), **_MINE),
        TWICE,
    ),
    case(
        "one port twice, in different namespaces",
        [entry("bank", namespace="lab", resolution=Resolution.DNS)],
        entry("b", **_MINE),
    ),
    case(
        "one port twice, on other clusters",
        [entry("bank", namespace="prod", resolution=Resolution.DNS, cluster_selector=EU)],
        entry("b", cluster_selector=US, **_MINE),
    ),
    case(
        "more ports than a private entry elsewhere",
        [web("bank", "80:HTTP", namespace="shared", export_to=(".",))],
        entry("b", **_MINE),
        "EGR0109 hosts[0]",
    ),
    case(
        "more ports than the oldest of all",
        [web("bank", "80:HTTP", namespace="shared")],
        entry("b", **_MINE),
        "EGR0109 hosts[0]",
    ),
    case(
        "more ports, not exported to where the other is",
        [web("bank", "80:HTTP", namespace="shared", export_to=(".",))],
        entry("b", export_to=(".",), **_MINE),
    ),
    case("another host", [_BOTH], web("b", "80:HTTP", namespace="prod")),
    case(
        "on another cluster",
        [entry("bank", namespace="shared", cluster_selector=EU)],
        web("b", "80:HTTP", cluster_selector=US, **_MINE),
    ),
    case(
        "exported to it by name",
        [_BOTH, strict("lab")],
        web("b", "80:HTTP", export_to=("lab",), **_MINE),
        "EGR0109 hosts[0]",
    ),
    case(
        "both exported to it by name",
        [replace(_BOTH, export_to=("lab",)), strict("lab")],
        web("b", "80:HTTP", export_to=("lab",), **_MINE),
    ),
    case(
        "the oldest comes to be seen by all",
        [web("b", "80:HTTP", export_to=(".",), **_MINE), _BOTH],
        web("b", "80:HTTP", **_MINE),
        "EGR0109 hosts[0]",
        "EGR0109 hosts[0]",
    ),
]

EXPORTS = [
    case("to its own namespace", [], entry("a", export_to=(".",))),
    case("to a namespace that nothing speaks of", [], entry("a", export_to=("prd",)), "EGR0110 export_to"),
    case("to one in which an entry lives", [entry("b", namespace="prod")], entry("a", export_to=("prod",))),
    case("to one that a fault names", [fault(source_namespace="prod")], entry("a", export_to=("prod",))),
    case("to one that a policy names", [strict("prod")], entry("a", export_to=("prod",))),
    case(
        "from the root namespace to itself",
        [],
        entry("a", namespace="istio-system", export_to=(".",)),
        "EGR0110 export_to",
    ),
    case("past the namespaces that ask", [strict("prod")], entry("a", export_to=(".",)), "EGR0110 export_to"),
    case("where everybody asks", [strict("prod"), strict("")], entry("a", export_to=(".",))),
    case("to all", [strict("prod")], entry("a", export_to=("*",))),
]

CASES = [*NAMESPACES, *EXPORTS]
