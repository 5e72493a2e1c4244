"""Validation of interceptions: one row per rule."""

from typing import Any

import pytest

from egress_server.domain.model.resources import Interception
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.validate import Problems, check_resource
from tests.support.violations import violations_of


def problems_of(**fields: Any) -> list[tuple[str, str]]:
    """Field and description of all problems of an interception."""
    problems = Problems()
    check_resource(Interception("meshes/default/interceptions/i", **fields), problems)
    return violations_of(problems.raise_if_any)


VALID: dict[str, dict[str, Any]] = {
    "everything": {},
    "ranges": {"include_cidrs": ("10.0.0.0/8", "192.168.0.1/32", "2001:db8::/32"), "exclude_cidrs": ("10.1.0.0/16",)},
    "all, as a range": {"include_cidrs": ("0.0.0.0/0", "::/0")},
    "service ranges": {"include_service_cidrs": True, "include_cidrs": ("10.0.0.0/8",)},
    "none": {"none": True, "include_outbound_ports": (80,), "exclude_cidrs": ("10.0.0.0/8",)},
    "ports": {"include_outbound_ports": (1, 443), "exclude_outbound_ports": (65535,)},
    "workloads": {"scope": Scope("prod", {"app": "shop"})},
}


@pytest.mark.parametrize("case", VALID)
def test_right(case: str) -> None:
    """Valid interceptions have no problems."""
    assert problems_of(**VALID[case]) == []


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "host bits": ({"include_cidrs": ("10.1.2.3/8",)}, "include_cidrs[0]", "must be written 10.0.0.0/8"),
    "host bits of IPv6": ({"exclude_cidrs": ("2001:db8::1/32",)}, "exclude_cidrs[0]", "must be written 2001:db8::/32"),
    "long form": ({"include_cidrs": ("2001:0db8::/32",)}, "include_cidrs[0]", "must be written 2001:db8::/32"),
    "mask": ({"include_cidrs": ("10.0.0.0/255.0.0.0",)}, "include_cidrs[0]", "must be written 10.0.0.0/8"),
    "bare address": ({"include_cidrs": ("203.0.113.7",)}, "include_cidrs[0]", "write 203.0.113.7/32"),
    "bare IPv6": ({"include_cidrs": ("2001:db8::1",)}, "include_cidrs[0]", "write 2001:db8::1/128"),
    "space": ({"include_cidrs": ("10.0.0.0/8", " 10.0.0.0/16")}, "include_cidrs[1]", "spaces"),
    "joined": ({"include_cidrs": ("10.0.0.0/8,192.168.0.0/16",)}, "include_cidrs[0]", "must be a CIDR range"),
    "zone": ({"include_cidrs": ("fe80::%eth0/64",)}, "include_cidrs[0]", "must be a CIDR range"),
    "name": ({"exclude_cidrs": ("example.com",)}, "exclude_cidrs[0]", "must be a CIDR range"),
    "nothing": ({"exclude_cidrs": ("",)}, "exclude_cidrs[0]", "must be a CIDR range"),
    "long prefix": ({"include_cidrs": ("10.0.0.0/33",)}, "include_cidrs[0]", "must be a CIDR range"),
    "twice": ({"include_cidrs": ("10.0.0.0/8", "10.0.0.0/8")}, "include_cidrs[1]", "already listed at [0]"),
    "all and more": ({"include_cidrs": ("*", "10.0.0.0/8")}, "include_cidrs", "must be the only one"),
    "exclude all": ({"exclude_cidrs": ("*",)}, "exclude_cidrs", "set none"),
    "none and some": ({"none": True, "include_cidrs": ("10.0.0.0/8",)}, "none", "can't be combined with include_cidrs"),
    "none and services": (
        {"none": True, "include_service_cidrs": True},
        "none",
        "can't be combined with include_service_cidrs",
    ),
    "port": ({"exclude_outbound_ports": (65536,)}, "exclude_outbound_ports[0]", "between 1 and 65535"),
    "port twice": ({"include_outbound_ports": (1, 1)}, "include_outbound_ports[1]", "already listed at [0]"),
    "port both ways": (
        {"include_outbound_ports": (1, 80), "exclude_outbound_ports": (80,)},
        "include_outbound_ports[1]",
        "which takes precedence",
    ),
    "labels of no namespace": ({"scope": Scope("", {"app": "x"})}, "scope.match_labels", "requires a namespace"),
    "selector": ({"cluster_selector": ClusterSelector(("East",))}, "cluster_selector.clusters[0]", "cluster id"),
}


@pytest.mark.parametrize("case", INVALID)
def test_wrong(case: str) -> None:
    """There is one problem, at the right field."""
    fields, path, text = INVALID[case]
    found = problems_of(**fields)
    assert [field for field, _ in found] == [path]
    assert text in found[0][1]
