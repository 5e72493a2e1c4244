"""Which connections iptables hand to the sidecar: the rules in their order, as a real mesh was seen to have them."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.render.policies import ALL, render_interception
from egress_server.domain.simulate.interception import EVERYTHING, Rules, captured, read_rules, rule
from tests.support.meshes import cluster, interception

HTTP = 80
INSIDE = "203.0.113.10"
OUTSIDE = "198.51.100.7"
V6 = "2001:db8::7"


@pytest.mark.parametrize(
    ("rules", "address", "port", "is_captured", "why"),
    [
        (EVERYTHING, INSIDE, HTTP, True, "all addresses are included"),
        (EVERYTHING, V6, HTTP, True, "all addresses are included"),
        (Rules(include=("203.0.113.0/24",)), INSIDE, HTTP, True, "in the included range 203.0.113.0/24"),
        (Rules(include=("203.0.113.0/24",)), OUTSIDE, HTTP, False, "in none of the included ranges"),
        # What only the cluster knows.
        (Rules(include=("SERVICE_CIDRS", "203.0.113.0/24")), INSIDE, HTTP, True, "in the included range"),
        (Rules(include=("SERVICE_CIDRS",)), INSIDE, HTTP, None, "one of the cluster's services, not known here"),
        # Exclude beats include.
        (Rules(exclude=("203.0.113.10/32",)), INSIDE, HTTP, False, "in the excluded range 203.0.113.10/32"),
        (Rules(("203.0.113.0/24",), ("203.0.113.0/28",)), INSIDE, HTTP, False, "in the excluded range"),
        (Rules(("203.0.113.10/32",), ("203.0.113.0/24",)), INSIDE, HTTP, False, "in the excluded range"),
        # Excluded ports beat included ones, and everything else.
        (Rules(include_ports=frozenset({80}), exclude_ports=frozenset({80})), INSIDE, HTTP, False, "80 is excluded"),
        (Rules(exclude_ports=frozenset({80})), INSIDE, HTTP, False, "port 80 is excluded"),
        (Rules(exclude_ports=frozenset({80})), INSIDE, 81, True, "all addresses"),
        # Included ports are captured whatever the address, as long as that is not excluded.
        (Rules((), include_ports=frozenset({80})), INSIDE, HTTP, True, "port 80 is included, whatever the address"),
        (Rules(("198.51.100.0/24",), include_ports=frozenset({80})), INSIDE, HTTP, True, "port 80 is included"),
        (Rules((), ("203.0.113.0/24",), frozenset({80})), INSIDE, HTTP, False, "in the excluded range"),
        # Nothing but included ports.
        (Rules(include=()), INSIDE, HTTP, False, "no address is included"),
        (Rules((), include_ports=frozenset({443})), INSIDE, HTTP, False, "no address is included"),
        # 0.0.0.0/0 is all of IPv4; IPv6 stands beside it.
        (Rules(include=("0.0.0.0/0",)), INSIDE, HTTP, True, "in the included range 0.0.0.0/0"),
        (Rules(include=("0.0.0.0/0",)), V6, HTTP, False, "in none of the included ranges"),
        (Rules(include=("10.0.0.0/8", "2001:db8::/32")), V6, HTTP, True, "in the included range 2001:db8::/32"),
        (Rules(exclude=("2001:db8::/32",)), V6, HTTP, False, "in the excluded range 2001:db8::/32"),
        # Host bits are masked.
        (Rules(include=("203.0.113.77/24",)), INSIDE, HTTP, True, "in the included range 203.0.113.77/24"),
    ],
)  # fmt: skip
def test_table(rules: Rules, address: str, port: int, is_captured: bool | None, why: str) -> None:
    """Excluded ports, excluded ranges, included ports, included ranges: the first that fits decides, and says so."""
    assert rule(rules, address, port).captured is is_captured
    assert captured(rules, address, port) is (is_captured is True)
    assert why in rule(rules, address, port).why


@pytest.mark.parametrize(
    ("rules", "is_captured"),
    [
        (EVERYTHING, True),
        (Rules(include=()), False),
        (Rules(include=("203.0.113.0/24",)), None),
        (Rules(exclude=("203.0.113.0/24",)), None),
        (Rules(exclude=("203.0.113.0/24",), exclude_ports=frozenset({80})), False),
        (Rules(include=("203.0.113.0/24",), include_ports=frozenset({80})), True),
        (Rules(exclude=("203.0.113.0/24",), include_ports=frozenset({80})), None),
    ],
)  # fmt: skip
def test_address_that_is_not_known(rules: Rules, is_captured: bool | None) -> None:
    """Without an address only rules that need none decide."""
    assert rule(rules, "", HTTP).captured is is_captured


def test_no_address() -> None:
    """What is no IP address is refused, not guessed at."""
    with pytest.raises(ValueError, match="does not appear"):
        captured(EVERYTHING, "www.aliyun.com", HTTP)


def test_rules_of_a_policy() -> None:
    """A rendered interception is read back as it was meant; service ranges are the cluster's; none is none."""
    policy = interception(
        include_cidrs=("203.0.113.0/24", "2001:db8::/32"),
        exclude_cidrs=("203.0.113.10/32",),
        include_outbound_ports=(3306,),
        exclude_outbound_ports=(22, 25),
    )
    spec = render_interception(policy, cluster())["spec"]
    assert read_rules(spec) == Rules(
        ("203.0.113.0/24", "2001:db8::/32"), ("203.0.113.10/32",), frozenset({3306}), frozenset({22, 25})
    )
    assert read_rules(render_interception(interception(), cluster())["spec"]) == EVERYTHING
    assert read_rules(render_interception(interception(none=True), cluster())["spec"]) == Rules(include=())
    assert read_rules(None) == EVERYTHING


_ranges = st.lists(
    st.sampled_from(
        [ALL, "0.0.0.0/0", "203.0.113.0/24", "203.0.113.10/32", "198.51.100.0/25", "::/0", "2001:db8::/32"]
    ),
    max_size=3,
).map(tuple)
_ports = st.frozensets(st.sampled_from([80, 443, 3306]))
_rules = st.builds(Rules, _ranges, _ranges.map(lambda r: tuple(x for x in r if x != ALL)), _ports, _ports)
_addresses = st.sampled_from([INSIDE, OUTSIDE, V6, "203.0.113.11", "2001:db9::1"])


def _in(address: str, ranges: tuple[str, ...]) -> bool:
    its = ip_address(address)
    return any(net == ALL or ((n := ip_network(net)).version == its.version and its in n) for net in ranges)


@given(_rules, _addresses, st.sampled_from([80, 443, 3306]))
def test_order_of_rules(rules: Rules, address: str, port: int) -> None:
    """The same as the rules say one by one; and no address decides otherwise than an unknown one."""
    excluded = port in rules.exclude_ports or _in(address, rules.exclude)
    included = port in rules.include_ports or _in(address, rules.include)
    assert captured(rules, address, port) is (included and not excluded)
    unknown = rule(rules, "", port).captured
    assert unknown is None or unknown is captured(rules, address, port)
