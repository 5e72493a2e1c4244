"""The sidecar's upstream hosts and their counters, as Envoy's `/clusters?format=json` tells them.

Only this page has them in a default injected pod: the stats of upstreams are left out there. Host counters are
atomics that Envoy's workers write directly, so a page read after the answer holds what led to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple

import orjson

from egress_server.domain.model.addresses import host_port
from egress_server.domain.probe.evidence import UpstreamDelta


class Host(NamedTuple):
    """One host of one Envoy cluster. `address` is canonical where it is an IP address; a unix socket or an internal
    listener stands as its name, with port 0."""

    cluster: str
    address: str
    port: int


class Counts(NamedTuple):
    """Counters of a host since Envoy made it."""

    cx_total: int = 0
    cx_connect_fail: int = 0
    rq_total: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """One reading. `hostless` are the clusters that list no host."""

    hosts: Mapping[Host, Counts] = field(default_factory=dict)
    hostless: frozenset[str] = frozenset()

    def has(self, cluster: str) -> bool:
        """Whether it lists a cluster."""
        return cluster in self.hostless or any(host.cluster == cluster for host in self.hosts)


def parse(page: bytes) -> Counters:
    """A reading from a page; raises ValueError where it is none."""
    try:
        hosts: dict[Host, Counts] = {}
        hostless = set()
        for status in orjson.loads(page).get("cluster_statuses", ()):
            listed = status.get("host_statuses", ())
            if not listed:
                hostless.add(status["name"])
            for item in listed:
                host = _host(status["name"], item["address"])
                hosts[host] = _sum(hosts.get(host, Counts()), _counts(item.get("stats", ())))
        return Counters(hosts, frozenset(hostless))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a page of clusters: {error!r}") from error


def moved(before: Counters, after: Counters) -> dict[Host, UpstreamDelta]:
    """The hosts whose counters moved in between. A counter that went down means a new host, which began at zero."""
    deltas = {}
    for host, now in after.hosts.items():
        base = before.hosts.get(host, Counts())
        if any(new < old for new, old in zip(now, base, strict=True)):
            base = Counts()
        if now != base:
            moves = Counts(*(new - old for new, old in zip(now, base, strict=True)))
            deltas[host] = UpstreamDelta(host.cluster, host_port(host.address, host.port), *moves)
    return deltas


def _host(cluster: str, address: Mapping[str, Any]) -> Host:
    if at := address.get("socket_address"):
        return Host(cluster, _canonical(at["address"]), int(at.get("port_value", 0)))
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
