"""The sidecar's upstream hosts and their counters, from Envoy's `/clusters?format=json`.

Only this page has them in a default injected pod: upstream stats are excluded there. Host counters are atomics that
Envoy's workers write directly, so a page read after the response includes what led to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple

import orjson

from egress_server.domain.model.addresses import host_port
from egress_server.domain.probe.evidence import UpstreamDelta


class Host(NamedTuple):
    """One host of one Envoy cluster. `address` is canonical if it is an IP address; for a unix socket or an internal
    listener it is its name, with port 0."""

    cluster: str
    address: str
    port: int


class Counts(NamedTuple):
    """Counters of a host since Envoy created it."""

    cx_total: int = 0
    cx_connect_fail: int = 0
    rq_total: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """One reading."""

    hosts: Mapping[Host, Counts] = field(default_factory=dict)


def parse(page: bytes) -> Counters:
    """A reading from a page. Raises ValueError if it is not such a page."""
    try:
        hosts: dict[Host, Counts] = {}
        for status in orjson.loads(page).get("cluster_statuses", ()):
            name = status["name"]
            for item in status.get("host_statuses", ()):
                host = _host(name, item["address"])
                hosts[host] = _sum(hosts.get(host, Counts()), _counts(item.get("stats", ())))
        return Counters(hosts)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a list of clusters: {error!r}") from error


def changes_between(before: Counters, after: Counters) -> dict[Host, UpstreamDelta]:
    """The hosts whose counters changed. A counter that fell means a new host, which began at zero."""
    deltas = {}
    for host, now in after.hosts.items():
        base = before.hosts.get(host, Counts())
        if any(new < old for new, old in zip(now, base, strict=True)):
            base = Counts()
        if now != base:
            delta = Counts(*(new - old for new, old in zip(now, base, strict=True)))
            deltas[host] = UpstreamDelta(host.cluster, host_port(host.address, host.port), *delta)
    return deltas


def _host(cluster: str, address: Mapping[str, Any]) -> Host:
    if socket_address := address.get("socket_address"):
        return Host(cluster, _canonical(socket_address["address"]), int(socket_address.get("port_value", 0)))
    if pipe := address.get("pipe"):
        return Host(cluster, f"unix:{pipe['path']}", 0)
    return Host(cluster, "an internal listener", 0)


def _canonical(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _counts(stats: Any) -> Counts:
    values = {item["name"]: int(item.get("value", 0)) for item in stats if item["name"] in Counts._fields}
    return Counts(**values)


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(*(a + b for a, b in zip(one, other, strict=True)))
