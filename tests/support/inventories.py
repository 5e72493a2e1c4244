"""Foreign objects on clusters, for tests: by default they are older than the resources of a History."""

from datetime import datetime, timedelta
from typing import Any

from egress_server.domain.istio.destination_rule import DestinationRuleSpec
from egress_server.domain.istio.virtual_service import ConnectionRule, HttpRule, RouteTarget, VirtualServiceSpec
from egress_server.domain.model.clusters import Cluster, KubernetesTarget, Orders
from egress_server.domain.observed.inventory import (
    ForeignDestinationRule,
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


def routes(
    *hosts: str,
    namespace: str = "shop",
    born: datetime = BEFORE,
    http: tuple[HttpRule, ...] | None = None,
    tls: tuple[ConnectionRule, ...] = (),
    tcp: tuple[ConnectionRule, ...] = (),
    **fields: Any,
) -> ForeignVirtualService:
    """A foreign VirtualService, by default with one rule that leads to its first host."""
    if http is None:
        http = (HttpRule(route=(RouteTarget(hosts[0]),)),) if hosts and not (tls or tcp) else ()
    gateways = () if fields.get("mesh", True) else ("shop/edge",)
    spec = VirtualServiceSpec(hosts, gateways, fields.get("export_to", ()), http, tls, tcp)
    return ForeignVirtualService(namespace, "theirs", hosts, born, **{"owner": "helm", "spec": spec, **fields})


def destination_rule(
    host: str, *, namespace: str = "default", born: datetime = BEFORE, name: str = "theirs", **spec: Any
) -> ForeignDestinationRule:
    """A foreign DestinationRule."""
    return ForeignDestinationRule(namespace, name, born, DestinationRuleSpec(host, **spec), "helm")


def sidecar(*egress_hosts: str, namespace: str = "default", born: datetime = BEFORE, **fields: Any) -> ForeignSidecar:
    """A foreign Sidecar."""
    whole: dict[str, Any] = {"name": "theirs", "owner": "helm", **fields}
    return ForeignSidecar(namespace, create_time=born, egress_hosts=egress_hosts, **whole)
