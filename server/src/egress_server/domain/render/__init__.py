"""Policy to Istio objects: pure, total over whatever validation lets through, and byte-stable."""

from egress_server.domain.effective import Effective
from egress_server.domain.render.objects import IstioObject, key_of
from egress_server.domain.render.outbound_policy import render_outbound_policy
from egress_server.domain.render.service_entry import render_service_entry

__all__ = ["render"]


def render(wanted: Effective) -> tuple[IstioObject, ...]:
    """All objects that a cluster should hold, in the order of their keys."""
    objects = [render_outbound_policy(policy) for policy in wanted.outbound.values()]
    objects += [render_service_entry(entry) for entry in wanted.entries]
    return tuple(sorted(objects, key=key_of))
