"""Reads the egress part of a Sidecar manifest's spec."""

from egress_server.domain.istio.manifest import Spec, child, children, full_name, number, text, texts
from egress_server.domain.istio.sidecar import EgressListener, EgressProxy


def read_egress_listeners(spec: Spec) -> tuple[EgressListener, ...]:
    """Its egress listeners; a Sidecar without any sees everything on all ports."""
    return tuple(
        EgressListener(
            hosts=texts(listener, "hosts"),
            port=number(child(listener, "port"), "number"),
            protocol=text(child(listener, "port"), "protocol"),
            bind=text(listener, "bind"),
            capture_mode=text(listener, "captureMode"),
        )
        for listener in children(spec, "egress")
    )


def read_egress_proxy(spec: Spec, namespace: str) -> EgressProxy | None:
    """Where it sends connections to unregistered destinations; None if it does not redirect them."""
    proxy = child(child(spec, "outboundTrafficPolicy"), "egressProxy")
    host = text(proxy, "host")
    if not host:
        return None
    return EgressProxy(full_name(host, namespace), number(child(proxy, "port"), "number"), text(proxy, "subset"))
