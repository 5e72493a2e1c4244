"""What clusters hold besides ours, for tests: everything older than what a History makes, unless said otherwise."""

from datetime import datetime, timedelta
from typing import Any

from egress_server.domain.model.clusters import Cluster, KubernetesTarget, Orders
from egress_server.domain.observed.inventory import (
    ForeignEntry,
    ForeignSidecar,
    ForeignVirtualService,
    Inventory,
    KnownService,
)
from tests.support.meshes import BIRTH, entry, ports

BEFORE = BIRTH - timedelta(days=1)
AFTER = BIRTH + timedelta(days=1)


def kubernetes(
    id_: str = "east", *, adopted: tuple[str, ...] = (), labels: dict[str, str] | None = None, **target: Any
) -> Cluster:
    """A Kubernetes cluster on which these objects are adopted."""
    name = f"meshes/default/clusters/{id_}"
    return Cluster(name, KubernetesTarget(**target), labels or {}, orders=Orders(adopted))


def inventory(cluster: str = "east", **fields: Any) -> Inventory:
    """The record of a cluster where nothing was left out."""
    return Inventory(cluster, BIRTH, **fields)


def service(name: str = "web", *, namespace: str = "shop", **fields: Any) -> KnownService:
    """A Service with HTTP on 80 at one address, unless said otherwise."""
    whole: dict[str, Any] = {"ports": ports("80:HTTP"), "addresses": ("10.96.0.10",), "create_time": BEFORE, **fields}
    return KnownService(namespace, name, f"{name}.{namespace}.svc.cluster.local", **whole)


def foreign(id_: str = "bank", *, born: datetime = BEFORE, owner: str = "helm", **fields: Any) -> ForeignEntry:
    """An entry of somebody else, made as `entry` makes ours."""
    return ForeignEntry(entry(id_, **fields), born, owner)


def routes(*hosts: str, namespace: str = "shop", born: datetime = BEFORE, **fields: Any) -> ForeignVirtualService:
    """A VirtualService of somebody else."""
    return ForeignVirtualService(namespace, "theirs", hosts, born, **{"owner": "helm", **fields})


def sidecar(*egress_hosts: str, namespace: str = "default", born: datetime = BEFORE, **fields: Any) -> ForeignSidecar:
    """A Sidecar of somebody else."""
    whole: dict[str, Any] = {"name": "theirs", "owner": "helm", **fields}
    return ForeignSidecar(namespace, create_time=born, egress_hosts=egress_hosts, **whole)
