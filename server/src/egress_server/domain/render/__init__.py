"""Policy to Istio objects: pure, total over whatever validation lets through, and byte-stable."""

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.objects import IstioObject, key_of
from egress_server.domain.render.destination_rule import render_destination_rules
from egress_server.domain.render.policies import render_interception, render_outbound_policy
from egress_server.domain.render.service_entry import render_service_entry
from egress_server.domain.render.virtual_service import render_virtual_services

__all__ = ["render"]


def render(wanted: Effective) -> tuple[IstioObject, ...]:
    """All objects that a cluster should hold, in the order of their keys."""
    objects = [render_outbound_policy(policy, wanted.cluster) for policy in wanted.outbound.values()]
    objects += [render_interception(policy, wanted.cluster) for policy in wanted.interceptions.values()]
    objects += [render_service_entry(entry) for entry in wanted.entries]
    objects += render_virtual_services(wanted)
    objects += render_destination_rules(wanted)
    return tuple(sorted(objects, key=key_of))
