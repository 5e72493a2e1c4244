"""What a local cluster can't do, and the messages for it.

Nothing that is not understood is dropped silently: the shapes below list every field that is read anywhere, and all
others are reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from egress_server.targets.local.xds.destination_rule import needs_trust
from egress_server.targets.local.xds.registry import DYNAMIC_DNS, KINDS, is_ip
from egress_server.targets.local.xds.scoping import Manifest
from egress_server.targets.local.xds.virtual_service import GRPC_STATUSES

_ANYTHING = None
_TEXT = {"exact": _ANYTHING, "prefix": _ANYTHING, "regex": _ANYTHING}
_CHANGES = {"set": _ANYTHING, "add": _ANYTHING, "remove": _ANYTHING}
_PERCENTAGE = {"value": _ANYTHING}
_ROUTE = {
    "name": _ANYTHING,
    "match": [
        {
            "uri": _TEXT,
            "method": _TEXT,
            "authority": _TEXT,
            "port": _ANYTHING,
            "headers": {"*": _TEXT},
            "sourceLabels": _ANYTHING,
            "sourceNamespace": _ANYTHING,
        },
    ],
    "fault": {
        "delay": {"percentage": _PERCENTAGE, "fixedDelay": _ANYTHING},
        "abort": {"percentage": _PERCENTAGE, "httpStatus": _ANYTHING, "grpcStatus": _ANYTHING},
    },
    "route": [{"destination": {"host": _ANYTHING, "port": {"number": _ANYTHING}}, "weight": _ANYTHING}],
    "rewrite": {"authority": _ANYTHING},
    "headers": {"request": _CHANGES, "response": _CHANGES},
    "timeout": _ANYTHING,
    "retries": {
        "attempts": _ANYTHING,
        "perTryTimeout": _ANYTHING,
        "retryOn": _ANYTHING,
        "backoff": _ANYTHING,
        "retryIgnorePreviousHosts": _ANYTHING,
    },
}
_POLICY: dict[str, Any] = {
    "connectionPool": {
        "tcp": {"maxConnections": _ANYTHING, "connectTimeout": _ANYTHING},
        "http": {
            "http1MaxPendingRequests": _ANYTHING,
            "http2MaxRequests": _ANYTHING,
            "maxRequestsPerConnection": _ANYTHING,
        },
    },
    "outlierDetection": {
        "consecutive5xxErrors": _ANYTHING,
        "interval": _ANYTHING,
        "baseEjectionTime": _ANYTHING,
        "maxEjectionPercent": _ANYTHING,
    },
    "tls": {
        "mode": _ANYTHING,
        "sni": _ANYTHING,
        "subjectAltNames": _ANYTHING,
        "insecureSkipVerify": _ANYTHING,
    },
}
_SHAPES: dict[str, Any] = {
    "Sidecar": {"outboundTrafficPolicy": {"mode": _ANYTHING}, "workloadSelector": {"labels": _ANYTHING}},
    "Interception": _ANYTHING,
    "ServiceEntry": _ANYTHING,
    "VirtualService": {"hosts": _ANYTHING, "exportTo": _ANYTHING, "http": [_ROUTE]},
    "DestinationRule": {
        "host": _ANYTHING,
        "exportTo": _ANYTHING,
        "trafficPolicy": {**_POLICY, "portLevelSettings": [{**_POLICY, "port": {"number": _ANYTHING}}]},
    },
}
_RESOLUTIONS = frozenset({"DNS", "DNS_ROUND_ROBIN", "STATIC", "NONE", DYNAMIC_DNS})
_DYNAMIC_DNS_PROTOCOLS = frozenset({"HTTP", "HTTP2", "GRPC", "TLS"})
_TLS_MODES = frozenset({"DISABLE", "SIMPLE"})


def unsupported(manifest: Manifest, trust: str | None) -> str | None:
    """Why a local cluster can't do what this object asks; None if it can. `trust` is the path of the machine's CA
    certificates, if it has any."""
    kind, spec = manifest["kind"], manifest.get("spec", {})
    if kind not in _SHAPES:
        return f"a local cluster does not support {kind}"
    if extra := sorted(set(_extra_fields(spec, _SHAPES[kind]))):
        return f"a local cluster does not support these {kind} fields: {', '.join(extra)}"
    if kind == "ServiceEntry":
        return _entry(spec)
    if kind == "VirtualService":
        return next((reason for http in spec["http"] if (reason := _http(spec, http)) is not None), None)
    return _rule(spec, trust) if kind == "DestinationRule" else None


def _extra_fields(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """The paths in `value` that are not in `shape`."""
    if isinstance(shape, list) and isinstance(value, Sequence):
        for item in value:
            yield from _extra_fields(item, shape[0], path)
    elif isinstance(shape, dict) and isinstance(value, Mapping):
        for key, part in value.items():
            here = f"{path}.{key}" if path else key
            if key not in shape and "*" not in shape:
                yield here
            else:
                yield from _extra_fields(part, shape.get(key, shape.get("*")), here)


def _entry(spec: Manifest) -> str | None:
    resolution = spec.get("resolution", "NONE")
    if resolution not in _RESOLUTIONS:
        return f"a local cluster does not support resolution {resolution}"
    for port in spec.get("ports", ()):
        if str(port.get("protocol", "")).upper() not in KINDS:
            what = f"protocol {protocol}" if (protocol := port.get("protocol")) else "ports without a protocol"
            return f"a local cluster does not support {what} (port {port['number']})"
    if "workloadSelector" in spec:
        return "a local cluster has no workloads to select as endpoints"
    for endpoint in spec.get("endpoints", ()):
        address = str(endpoint.get("address", ""))
        if resolution == "STATIC" and not is_ip(address):
            return f"with resolution STATIC the endpoint {address!r} must be an IP address"
    if "*" in spec.get("hosts", ()):
        return "host * would match every host; use an outbound policy with ALLOW_ANY instead"
    return _dynamic_dns(spec) if resolution == DYNAMIC_DNS else _static_dns(spec, resolution)


def _static_dns(spec: Manifest, resolution: str) -> str | None:
    wildcards = [host for host in spec.get("hosts", ()) if host.startswith("*")]
    if wildcards and resolution.startswith("DNS") and not spec.get("endpoints"):
        return f"DNS can't resolve the wildcard host {wildcards[0]}"
    return None


def _dynamic_dns(spec: Manifest) -> str | None:
    for host in spec.get("hosts", ()):
        if not host.startswith("*."):
            return f"resolution {DYNAMIC_DNS} is for wildcard hosts such as *.example.com, not {host}"
    for port in spec.get("ports", ()):
        if port["protocol"].upper() not in _DYNAMIC_DNS_PROTOCOLS:
            return f"resolution {DYNAMIC_DNS} does not support protocol {port['protocol']} (port {port['number']})"
    return None


def _http(spec: Manifest, http: Manifest) -> str | None:
    """What Envoy would reject, together with all other routes."""
    if "*" in spec.get("hosts", ()):
        return "a local cluster does not support a VirtualService for host *"
    if not http.get("route") or (len(http["route"]) > 1 and not any(item.get("weight") for item in http["route"])):
        return "a route has no destination with a weight"
    fault = http.get("fault", {})
    if "delay" in fault and "fixedDelay" not in fault["delay"]:
        return "a delay needs fixedDelay"
    return _abort(fault["abort"]) if "abort" in fault else None


def _abort(abort: Manifest) -> str | None:
    if "httpStatus" in abort:
        return None if 200 <= abort["httpStatus"] < 600 else f"Envoy can't respond with status {abort['httpStatus']}"
    if abort.get("grpcStatus") not in GRPC_STATUSES:
        return f"{abort.get('grpcStatus')!r} is not a gRPC status"
    return None


def _rule(spec: Manifest, trust: str | None) -> str | None:
    policy = spec.get("trafficPolicy", {})
    for part in (policy, *policy.get("portLevelSettings", ())):
        if (mode := part.get("tls", {}).get("mode", "DISABLE")) not in _TLS_MODES:
            return f"a local cluster does not support TLS mode {mode}: it has no client certificate"
    if trust is None and needs_trust(policy):
        return "this machine has no CA certificates to verify the service's certificate with; set SSL_CERT_FILE"
    return None
