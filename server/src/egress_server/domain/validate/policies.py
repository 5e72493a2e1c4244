"""Rules for a single outbound policy or interception."""

from egress_server.domain.model.limits import MAX_CIDRS, MAX_INTERCEPTION_PORTS
from egress_server.domain.model.resources import Interception, OutboundPolicy
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_cluster_selector, check_scope
from egress_server.domain.validate.values import check_cidrs, check_ports


def check_outbound_policy(policy: OutboundPolicy, problems: Problems) -> None:
    """Adds all that is wrong with `policy`."""
    check_scope(policy.scope, problems.at("scope"))
    check_cluster_selector(policy.cluster_selector, problems.at("cluster_selector"))


ALL = "*"


def check_interception(policy: Interception, problems: Problems) -> None:
    """Adds all that is wrong with `policy`."""
    check_scope(policy.scope, problems.at("scope"))
    _check_include(policy, problems)
    if ALL in policy.exclude_cidrs:
        problems.at("exclude_cidrs").add("'*' is no range; set none to intercept nothing")
    else:
        check_cidrs(policy.exclude_cidrs, MAX_CIDRS, problems.at("exclude_cidrs"))
    _check_ports(policy, problems)
    check_cluster_selector(policy.cluster_selector, problems.at("cluster_selector"))


def _check_include(policy: Interception, problems: Problems) -> None:
    include, none = problems.at("include_cidrs"), problems.at("none")
    if ALL in policy.include_cidrs:
        include.add("'*' means all and stands alone")
        return
    check_cidrs(policy.include_cidrs, MAX_CIDRS, include)
    if policy.none and policy.include_cidrs:
        none.add("means that no range is intercepted; leave include_cidrs out")
    if policy.none and policy.include_service_cidrs:
        none.add("means that no range is intercepted; leave include_service_cidrs out")


def _check_ports(policy: Interception, problems: Problems) -> None:
    include = problems.at("include_outbound_ports")
    check_ports(policy.include_outbound_ports, MAX_INTERCEPTION_PORTS, include)
    check_ports(policy.exclude_outbound_ports, MAX_INTERCEPTION_PORTS, problems.at("exclude_outbound_ports"))
    for index, port in enumerate(policy.include_outbound_ports):
        if port in policy.exclude_outbound_ports:
            include.at(index).add(f"{port} is in exclude_outbound_ports as well, which wins")
