"""Foreign objects on clusters, for tests: by default they are older than the resources of a History."""

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
    """The inventory of a cluster without omissions."""
    return Inventory(cluster, BIRTH, **fields)


def service(name: str = "web", *, namespace: str = "shop", **fields: Any) -> KnownService:
    """A Service, by default with HTTP on 80 at one address."""
    whole: dict[str, Any] = {"ports": ports("80:HTTP"), "addresses": ("10.96.0.10",), "create_time": BEFORE, **fields}
    return KnownService(namespace, name, f"{name}.{namespace}.svc.cluster.local", **whole)


def foreign(id_: str = "bank", *, born: datetime = BEFORE, owner: str = "helm", **fields: Any) -> ForeignEntry:
    """A foreign entry, made the way `entry` makes a managed one."""
    return ForeignEntry(entry(id_, **fields), born, owner)


def routes(*hosts: str, namespace: str = "shop", born: datetime = BEFORE, **fields: Any) -> ForeignVirtualService:
    """A foreign VirtualService."""
    return ForeignVirtualService(namespace, "theirs", hosts, born, **{"owner": "helm", **fields})


def sidecar(*egress_hosts: str, namespace: str = "default", born: datetime = BEFORE, **fields: Any) -> ForeignSidecar:
    """A foreign Sidecar."""
    whole: dict[str, Any] = {"name": "theirs", "owner": "helm", **fields}
    return ForeignSidecar(namespace, create_time=born, egress_hosts=egress_hosts, **whole)
