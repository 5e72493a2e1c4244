"""Which connections iptables redirect to the sidecar: the rules in their order, as observed on a real mesh."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.render.policies import ALL, render_interception
from egress_server.domain.simulate.interception import (
    CAPTURE_ALL,
    CaptureRules,
    decide_capture,
    is_captured,
    parse_rules,
)
from tests.support.meshes import cluster, interception

HTTP = 80
INSIDE = "203.0.113.10"
OUTSIDE = "198.51.100.7"
V6 = "2001:db8::7"


@pytest.mark.parametrize(
    ("rules", "address", "port", "expected", "reason"),
    [
        (CAPTURE_ALL, INSIDE, HTTP, True, "all addresses are included"),
        (CAPTURE_ALL, V6, HTTP, True, "all addresses are included"),
        (CaptureRules(include=("203.0.113.0/24",)), INSIDE, HTTP, True, "in the included range 203.0.113.0/24"),
        (CaptureRules(include=("203.0.113.0/24",)), OUTSIDE, HTTP, False, "not in any of the included ranges"),
        # What only the cluster knows.
        (CaptureRules(include=("SERVICE_CIDRS", "203.0.113.0/24")), INSIDE, HTTP, True, "in the included range"),
        (CaptureRules(include=("SERVICE_CIDRS",)), INSIDE, HTTP, None, "service ranges, which are not known"),
        # Excludes take precedence over includes.
        (CaptureRules(exclude=("203.0.113.10/32",)), INSIDE, HTTP, False, "in the excluded range 203.0.113.10/32"),
        (CaptureRules(("203.0.113.0/24",), ("203.0.113.0/28",)), INSIDE, HTTP, False, "in the excluded range"),
        (CaptureRules(("203.0.113.10/32",), ("203.0.113.0/24",)), INSIDE, HTTP, False, "in the excluded range"),
        # Excluded ports take precedence over included ones, and over everything else.
        (CaptureRules((), (), frozenset({80}), frozenset({80})), INSIDE, HTTP, False, "port 80 is excluded"),
        (CaptureRules(exclude_ports=frozenset({80})), INSIDE, HTTP, False, "port 80 is excluded"),
        (CaptureRules(exclude_ports=frozenset({80})), INSIDE, 81, True, "all addresses"),
        # Included ports are captured whatever the address, unless it is excluded.
        (CaptureRules((), include_ports=frozenset({80})), INSIDE, HTTP, True, "port 80 is included for every address"),
        (CaptureRules(("198.51.100.0/24",), include_ports=frozenset({80})), INSIDE, HTTP, True, "port 80 is included"),
        (CaptureRules((), ("203.0.113.0/24",), frozenset({80})), INSIDE, HTTP, False, "in the excluded range"),
        # Only included ports are captured.
        (CaptureRules(include=()), INSIDE, HTTP, False, "no address is included"),
        (CaptureRules((), include_ports=frozenset({443})), INSIDE, HTTP, False, "no address is included"),
        # 0.0.0.0/0 is all of IPv4; IPv6 is separate.
        (CaptureRules(include=("0.0.0.0/0",)), INSIDE, HTTP, True, "in the included range 0.0.0.0/0"),
        (CaptureRules(include=("0.0.0.0/0",)), V6, HTTP, False, "not in any of the included ranges"),
        (CaptureRules(include=("10.0.0.0/8", "2001:db8::/32")), V6, HTTP, True, "in the included range 2001:db8::/32"),
        (CaptureRules(exclude=("2001:db8::/32",)), V6, HTTP, False, "in the excluded range 2001:db8::/32"),
        # Host bits are masked.
        (CaptureRules(include=("203.0.113.77/24",)), INSIDE, HTTP, True, "in the included range 203.0.113.77/24"),
    ],
)  # fmt: skip
def test_table(rules: CaptureRules, address: str, port: int, expected: bool | None, reason: str) -> None:
    """Excluded ports, excluded ranges, included ports, included ranges: the first match decides, and gives the
    reason."""
    assert decide_capture(rules, address, port).captured is expected
    assert is_captured(rules, address, port) is (expected is True)
    assert reason in decide_capture(rules, address, port).reason


@pytest.mark.parametrize(
    ("rules", "is_captured"),
    [
        (CAPTURE_ALL, True),
        (CaptureRules(include=()), False),
        (CaptureRules(include=("203.0.113.0/24",)), None),
        (CaptureRules(exclude=("203.0.113.0/24",)), None),
        (CaptureRules(exclude=("203.0.113.0/24",), exclude_ports=frozenset({80})), False),
        (CaptureRules(include=("203.0.113.0/24",), include_ports=frozenset({80})), True),
        (CaptureRules(exclude=("203.0.113.0/24",), include_ports=frozenset({80})), None),
    ],
)  # fmt: skip
def test_address_that_is_not_known(rules: CaptureRules, is_captured: bool | None) -> None:
    """Without an address only rules that don't need one decide."""
    assert decide_capture(rules, "", HTTP).captured is is_captured


def test_no_address() -> None:
    """What is not an IP address is refused rather than guessed."""
    with pytest.raises(ValueError, match="does not appear"):
        is_captured(CAPTURE_ALL, "www.aliyun.com", HTTP)


def test_rules_of_a_policy() -> None:
    """The rules of a rendered interception are those that the policy means; service ranges are the cluster's."""
    policy = interception(
        include_cidrs=("203.0.113.0/24", "2001:db8::/32"),
        exclude_cidrs=("203.0.113.10/32",),
        include_outbound_ports=(3306,),
        exclude_outbound_ports=(22, 25),
    )
    spec = render_interception(policy, cluster())["spec"]
    assert parse_rules(spec) == CaptureRules(
        ("203.0.113.0/24", "2001:db8::/32"), ("203.0.113.10/32",), frozenset({3306}), frozenset({22, 25})
    )
    assert parse_rules(render_interception(interception(), cluster())["spec"]) == CAPTURE_ALL
    assert parse_rules(render_interception(interception(none=True), cluster())["spec"]) == CaptureRules(include=())
    assert parse_rules(None) == CAPTURE_ALL


_ranges = st.lists(
    st.sampled_from(
        [ALL, "0.0.0.0/0", "203.0.113.0/24", "203.0.113.10/32", "198.51.100.0/25", "::/0", "2001:db8::/32"]
    ),
    max_size=3,
).map(tuple)
_ports = st.frozensets(st.sampled_from([80, 443, 3306]))
_rules = st.builds(CaptureRules, _ranges, _ranges.map(lambda r: tuple(x for x in r if x != ALL)), _ports, _ports)
_addresses = st.sampled_from([INSIDE, OUTSIDE, V6, "203.0.113.11", "2001:db9::1"])


def _in(address: str, ranges: tuple[str, ...]) -> bool:
    its = ip_address(address)
    return any(net == ALL or ((n := ip_network(net)).version == its.version and its in n) for net in ranges)


@given(_rules, _addresses, st.sampled_from([80, 443, 3306]))
def test_order_of_rules(rules: CaptureRules, address: str, port: int) -> None:
    """The same as the rules evaluated one by one; and a known address never contradicts an unknown one."""
    excluded = port in rules.exclude_ports or _in(address, rules.exclude)
    included = port in rules.include_ports or _in(address, rules.include)
    assert is_captured(rules, address, port) is (included and not excluded)
    unknown = decide_capture(rules, "", port).captured
    assert unknown is None or unknown is is_captured(rules, address, port)
