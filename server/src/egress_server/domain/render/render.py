"""All objects that a cluster should hold."""

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.objects import IstioObject, key_of
from egress_server.domain.render.destination_rule import render_destination_rules
from egress_server.domain.render.policies import render_interception, render_outbound_policy
from egress_server.domain.render.service_entry import render_service_entry
from egress_server.domain.render.virtual_service import render_virtual_services


def render(effective: Effective) -> tuple[IstioObject, ...]:
    """The objects in the order of their keys."""
    objects = [render_outbound_policy(policy, effective.cluster) for policy in effective.outbound.values()]
    objects += [render_interception(policy, effective.cluster) for policy in effective.interceptions.values()]
    objects += [render_service_entry(entry) for entry in effective.entries]
    objects += render_virtual_services(effective)
    objects += render_destination_rules(effective)
    return tuple(sorted(objects, key=key_of))
