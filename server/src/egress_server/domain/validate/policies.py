"""Validation of outbound policies and interceptions."""

from egress_server.domain.model.limits import MAX_CIDRS, MAX_INTERCEPTION_PORTS
from egress_server.domain.model.resources import Interception, OutboundPolicy
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_cluster_selector, check_scope
from egress_server.domain.validate.values import check_cidrs, check_ports


def check_outbound_policy(policy: OutboundPolicy, problems: Problems) -> None:
    """Adds everything that is wrong with `policy`."""
    check_scope(policy.scope, problems.at("scope"))
    check_cluster_selector(policy.cluster_selector, problems.at("cluster_selector"))


ALL = "*"


def check_interception(policy: Interception, problems: Problems) -> None:
    """Adds everything that is wrong with `policy`."""
    check_scope(policy.scope, problems.at("scope"))
    _check_include(policy, problems)
    if ALL in policy.exclude_cidrs:
        problems.at("exclude_cidrs").add("'*' is not a range; set none to intercept nothing")
    else:
        check_cidrs(policy.exclude_cidrs, MAX_CIDRS, problems.at("exclude_cidrs"))
    _check_ports(policy, problems)
    check_cluster_selector(policy.cluster_selector, problems.at("cluster_selector"))


def _check_include(policy: Interception, problems: Problems) -> None:
    include, none = problems.at("include_cidrs"), problems.at("none")
    if ALL in policy.include_cidrs:
        include.add("'*' means all ranges, so it must be the only one")
        return
    check_cidrs(policy.include_cidrs, MAX_CIDRS, include)
    if policy.none and policy.include_cidrs:
        none.add("can't be combined with include_cidrs: none means that no range is intercepted")
    if policy.none and policy.include_service_cidrs:
        none.add("can't be combined with include_service_cidrs: none means that no range is intercepted")


def _check_ports(policy: Interception, problems: Problems) -> None:
    include = problems.at("include_outbound_ports")
    check_ports(policy.include_outbound_ports, MAX_INTERCEPTION_PORTS, include)
    check_ports(policy.exclude_outbound_ports, MAX_INTERCEPTION_PORTS, problems.at("exclude_outbound_ports"))
    for index, port in enumerate(policy.include_outbound_ports):
        if port in policy.exclude_outbound_ports:
            include.at(index).add(f"{port} is also in exclude_outbound_ports, which takes precedence")
