"""Small meshes for tests: resources with useful defaults, and desired state that grows by revisions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from egress_server.domain.desired.snapshot import Snapshot, Update
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.clusters import Cluster, LocalTarget, Mesh
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.resources import (
    Abort,
    Fault,
    Interception,
    OutboundMode,
    OutboundPolicy,
    Protocol,
    Resource,
    ServiceEntry,
    ServicePort,
)
from egress_server.domain.model.selectors import ClusterSelector

MESH = Mesh("meshes/default")
BIRTH = datetime(2026, 1, 1, tzinfo=UTC)


def ports(*protocols: str) -> tuple[ServicePort, ...]:
    """Ports written as `80:HTTP`, `80` without a protocol, or, with a target port, `80:HTTP:8080`."""
    return tuple(_port(*text.split(":")) for text in protocols)


def _port(number: str, protocol: str = "", target: str = "0") -> ServicePort:
    return ServicePort.of(int(number), Protocol(protocol), "", int(target))


def entry(id_: str = "bank", *, namespace: str = "default", **fields: Any) -> ServiceEntry:
    """A service entry for ID.example.com with HTTP on 80 and HTTPS on 443 by default."""
    whole: dict[str, Any] = {"hosts": (f"{id_}.example.com",), "ports": ports("80:HTTP", "443:HTTPS"), **fields}
    return ServiceEntry(f"meshes/default/namespaces/{namespace}/serviceEntries/{id_}", **whole)


def policy(mode: str, id_: str = "all", **fields: Any) -> OutboundPolicy:
    """An outbound policy; for the whole mesh by default."""
    return OutboundPolicy(f"meshes/default/outboundPolicies/{id_}", OutboundMode(mode), **fields)


def cluster(id_: str = "east", **labels: str) -> Cluster:
    """A local cluster."""
    return Cluster(f"meshes/default/clusters/{id_}", LocalTarget(), labels)


def with_orders(cluster: Cluster, **orders: Any) -> Cluster:
    """The cluster with further requests of operators."""
    return replace(cluster, orders=replace(cluster.orders, **orders))


def selector(*clusters: str, **labels: str) -> ClusterSelector:
    """Clusters by id or by labels; all of them without either."""
    return ClusterSelector(clusters, labels)


def fault(id_: str = "broken", *, namespace: str = "default", **fields: Any) -> Fault:
    """A fault that by default aborts all requests to bank.example.com with 503 for ten minutes."""
    whole: dict[str, Any] = {"host": "bank.example.com", "ttl": 600.0, "abort": Abort(503), **fields}
    return Fault(f"meshes/default/namespaces/{namespace}/faults/{id_}", **whole)


def interception(id_: str = "all", **fields: Any) -> Interception:
    """An interception of everything; for the whole mesh by default."""
    return Interception(f"meshes/default/interceptions/{id_}", **fields)


class History:
    """Desired state of one mesh; each `set` and `delete` is a revision, one second after the one before; the first
    follows `born`."""

    def __init__(self, *resources: Resource, epoch: str = "epoch-1", born: datetime = BIRTH) -> None:
        self._born = born
        self.snapshot = Snapshot("default", epoch, 0, [])
        for resource in (MESH, *resources):
            self.set(resource)

    def set(self, resource: Resource) -> int:
        """Creates or replaces; returns the revision."""
        revision, now = self._next()
        before = self.snapshot.get(resource.name)
        born = before.create_time if before else now
        self.snapshot.apply(Update(revision, Versioned(resource, revision, born, now)))
        return revision

    def delete(self, resource: Resource) -> int:
        """Deletes; returns the revision."""
        revision, now = self._next()
        before = self.snapshot.of_kind(parse_name(resource.name).kind)[resource.name]
        self.snapshot.apply(Update(revision, replace(before, revision=revision, update_time=now, deleted=True)))
        return revision

    def _next(self) -> tuple[int, datetime]:
        revision = self.snapshot.revision + 1
        return revision, self._born + timedelta(seconds=revision)
