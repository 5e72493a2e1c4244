"""Rules of an outbound policy by itself."""

from egress_server.domain.resources import OutboundPolicy
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_cluster_selector, check_scope


def check_outbound_policy(policy: OutboundPolicy, problems: Problems) -> None:
    """Adds all that is wrong with `policy`."""
    check_scope(policy.scope, problems.at("scope"))
    check_cluster_selector(policy.cluster_selector, problems.at("cluster_selector"))
