"""Istio objects for tests of the compiler, and helpers to look into its output."""

from typing import Any

from egress_server.targets.local.xds.compile import XdsFiles, compile_xds
from egress_server.targets.local.xds.scoping import LocalWorkload

Json = dict[str, Any]

WORKLOAD = LocalWorkload("default", {"app": "local"})
TRUST = "/etc/ssl/certs/ca-certificates.crt"


def compiled(*objects: Json) -> XdsFiles:
    """The files of these objects, given oldest first."""
    return compile_xds(objects, workload=WORKLOAD, resolve=(), trust=TRUST)


def sidecar(namespace: str, spec: Json) -> Json:
    """A Sidecar named default."""
    return {"kind": "Sidecar", "metadata": {"name": "default", "namespace": namespace}, "spec": spec}


def policy(mode: str, **labels: str) -> Json:
    """A Sidecar's spec that only sets the mode, for workloads with these labels if any."""
    selector = {"workloadSelector": {"labels": labels}} if labels else {}
    return {"outboundTrafficPolicy": {"mode": mode}, **selector}


def entry(name: str, namespace: str = "default", **spec: Any) -> Json:
    """A ServiceEntry for NAME.example.com, TCP 8000 by default."""
    ports = [{"number": 8000, "name": "p", "protocol": "TCP"}]
    whole = {"hosts": [f"{name}.example.com"], "ports": ports, "resolution": "DNS", **spec}
    return {"kind": "ServiceEntry", "metadata": {"name": name, "namespace": namespace}, "spec": whole}


def port(number: int, protocol: str) -> Json:
    """A port of a ServiceEntry."""
    return {"number": number, "name": f"p{number}", "protocol": protocol}


def routing(host: str, *routes: Json, namespace: str = "default", name: str = "v", **spec: Any) -> Json:
    """A VirtualService; routes go to the host by default."""
    http = [{"route": [{"destination": {"host": host}}], **route} for route in routes]
    metadata = {"name": name, "namespace": namespace}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"hosts": [host], "http": http, **spec}}


def rule(host: str, namespace: str = "default", export_to: tuple[str, ...] = ("*",), **traffic_policy: Any) -> Json:
    """A DestinationRule."""
    spec = {"host": host, "exportTo": list(export_to), "trafficPolicy": traffic_policy}
    return {"kind": "DestinationRule", "metadata": {"name": "d", "namespace": namespace}, "spec": spec}


def listener(files: XdsFiles, name: str) -> Json:
    """The listener of that name."""
    return next(item for item in files.listeners.resources if item["name"] == name)


def cluster(files: XdsFiles, name: str) -> Json:
    """The cluster of that name."""
    return next(item for item in files.clusters.resources if item["name"] == name)


def routes(files: XdsFiles, host: str, number: int = 80) -> list[Json]:
    """The routes of a host on a port; empty if it has none of its own."""
    hosts = files.routes[str(number)].resources[0]["virtual_hosts"]
    return next((each["routes"] for each in hosts if each["name"] == f"{host}:{number}"), [])


def names(files: XdsFiles, host: str, number: int = 80) -> list[str]:
    """The names of these routes."""
    return [route["name"] for route in routes(files, host, number)]
