"""Lint rules, one row a case."""

import re
from pathlib import Path
from typing import Any

import pytest

import egress_server.domain.lint as lint_room
from egress_server.domain.findings import Severity
from egress_server.domain.lint import RULES, lint
from egress_server.domain.resources import ClusterSelector, Resource, ServiceEntry
from tests.support.meshes import History, cluster, entry, policy, ports

HOSTS = ("bank.example.com",)
HTTP: dict[str, Any] = {"hosts": HOSTS, "ports": ports("443:HTTP")}
TLS: dict[str, Any] = {"hosts": HOSTS, "ports": ports("443:TLS")}


def on(*clusters: str, **labels: str) -> ClusterSelector:
    """A cluster selector."""
    return ClusterSelector(clusters, labels)


EU, US = on(region="eu"), on(region="us")


@pytest.mark.parametrize(
    ("there", "new", "conflicts"),
    [
        (entry("a", **TLS), entry("b", **HTTP), True),
        (entry("a", **TLS), entry("b", **TLS), False),
        (entry("a", **TLS), entry("b", hosts=HOSTS, ports=ports("80:HTTP")), False),
        (entry("a", **TLS), entry("b", hosts=("other.example.com",), ports=ports("443:HTTP")), False),
        (entry("a", **TLS), entry("a", **HTTP), False),
        (entry("a", **TLS), entry("b", namespace="prod", **HTTP), True),
        (entry("a", cluster_selector=on("east"), **TLS), entry("b", cluster_selector=on("west"), **HTTP), False),
        (entry("a", cluster_selector=on("east"), **TLS), entry("b", cluster_selector=on("east", "west"), **HTTP), True),
        (entry("a", cluster_selector=on("east"), **TLS), entry("b", **HTTP), True),
        (
            entry("a", cluster_selector=EU, **TLS),
            entry("b", cluster_selector=US, **HTTP),
            False,
        ),
        (entry("a", cluster_selector=EU, **TLS), entry("b", cluster_selector=on(tier="1"), **HTTP), True),
        (entry("a", cluster_selector=EU, **TLS), entry("b", cluster_selector=on("east"), **HTTP), True),
        (entry("a", export_to=(".",), **TLS), entry("b", namespace="prod", export_to=(".",), **HTTP), False),
        (entry("a", export_to=(".",), **TLS), entry("b", export_to=(".",), **HTTP), True),
        (entry("a", export_to=(".",), **TLS), entry("b", namespace="prod", **HTTP), True),
        (entry("a", export_to=("prod",), **TLS), entry("b", namespace="prod", export_to=(".",), **HTTP), True),
        (entry("a", export_to=("lab",), **TLS), entry("b", export_to=("prod",), **HTTP), False),
        (entry("a", **TLS), policy("ALLOW_ANY"), False),
    ],
    ids=[
        "conflict",
        "same protocol",
        "other port",
        "other host",
        "the entry itself",
        "across namespaces",
        "disjoint clusters",
        "a common cluster",
        "one for all clusters",
        "disjoint labels",
        "labels that may meet",
        "labels and names may meet",
        "private in two namespaces",
        "private in one namespace",
        "one exported to all",
        "exported into the other's namespace",
        "disjoint exports",
        "another kind",
    ],
)
def test_egr0101(there: ServiceEntry, new: Resource, conflicts: bool) -> None:
    """One host and port with two protocols is an error, where some workload may see both."""
    result = lint(History(cluster(), there).snapshot, new)
    assert [finding.code for finding in result.findings] == (["EGR0101"] if conflicts else [])


def test_egr0101_says_where_and_what_to_do() -> None:
    """The finding names field, resource, both protocols and the code of Istio's own analysis."""
    new = entry("b", hosts=HOSTS, ports=ports("80:HTTP", "443:HTTP"))
    (finding,) = lint(History(entry("a", **TLS)).snapshot, new).findings
    assert (finding.severity, finding.field, finding.resource) == (
        Severity.ERROR,
        "ports[1].protocol",
        entry("a").name,
    )
    assert "bank.example.com port 443 is HTTP here and TLS in" in finding.cause
    assert "declare port 443 as TLS" in finding.fix
    assert finding.forceable
    assert finding.related_codes == ("IST0177",)


def test_reads_cover_what_was_looked_at() -> None:
    """The buckets that a rule looked at are those that a conflicting entry would touch."""
    new = entry("b", hosts=("a.example.com", "b.example.com"))
    assert lint(History().snapshot, new).reads == {"host/a.example.com", "host/b.example.com"}
    assert lint(History().snapshot, policy("ALLOW_ANY")).reads == frozenset()


def test_rules_are_registered() -> None:
    """Each rule's file is registered once, with a code of its own that its text begins with."""

    folder = Path(lint_room.__file__).parent
    codes = [re.match(r'"""(EGR\d{4}): ', path.read_text()) for path in sorted(folder.glob("[a-z]*.py"))]
    assert [code.group(1) for code in codes if code] == sorted(rule.code for rule in RULES)
    assert all(codes)
    assert len({rule.code for rule in RULES}) == len(RULES)
