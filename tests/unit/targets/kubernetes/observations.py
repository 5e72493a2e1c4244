"""Observations of a cluster for tests: a few managed and unmanaged objects of a given age."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.clusters import Cluster, KubernetesTarget, MeshPolicyBackend, Orders
from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey
from egress_server.domain.model.resources import Resource
from egress_server.domain.observed.inventory import Capabilities
from egress_server.domain.render import render
from egress_server.ports.target import Projection
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.project.project import project
from tests.support.meshes import BIRTH, History

ROOT = "istio-system"
_NEWEST = datetime(2026, 6, 1, tzinfo=UTC)


def found(
    kind: str, name: str, spec: Mapping[str, Any], *, namespace: str = "default", managed: bool = False, **more: Any
) -> CachedObject:
    """An object on the cluster; `age` in days, 10 by default, and `writer` who wrote it."""
    born = _NEWEST - timedelta(days=more.pop("age", 10))
    writer = more.pop("writer", "" if managed else "kubectl")
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"{kind}-{namespace}-{name}",
        "resourceVersion": "1",
        "creationTimestamp": born.isoformat().replace("+00:00", "Z"),
        "labels": dict(MANAGED_BY) if managed else {},
        "managedFields": [{"manager": writer, "operation": "Update", "fieldsV1": {}}] if writer else [],
        **more,
    }
    return cached_object(kind, {"metadata": metadata, "spec": dict(spec)})


def sidecar(name: str, spec: Mapping[str, Any], **more: Any) -> CachedObject:
    """A Sidecar."""
    return found("Sidecar", name, spec, **more)


def virtual_service(name: str, host: str, **more: Any) -> CachedObject:
    """A VirtualService for a host, with one route unless `http` is given; other fields of the spec as `spec`."""
    http = more.pop("http", [{"route": [{"destination": {"host": host}}]}])
    return found("VirtualService", name, {"hosts": [host], "http": http, **more.pop("spec", {})}, **more)


def observe(*objects: CachedObject, saved: Mapping[ObjectKey, SavedFields] | None = None, **more: Any) -> Observation:
    """A cluster with these objects, and the namespaces default, shop and istio-system."""
    namespaces = {name: {} for name in ("default", "shop", ROOT)} | more.pop("namespaces", {})
    return Observation(
        root=ROOT,
        namespaces=namespaces,
        capabilities=more.pop("capabilities", Capabilities(istio_version="1.31.1")),
        objects={each.key: each for each in objects},
        saved=saved or {},
        **more,
    )


def cluster(*adopted: str, **more: Any) -> Cluster:
    """A Kubernetes cluster on which these objects are adopted."""
    settings = KubernetesTarget(mesh_policy=more.pop("mesh_policy", MeshPolicyBackend.SIDECAR))
    return Cluster("meshes/default/clusters/c0", settings, orders=Orders(adopted), **more)


def projected(cluster: Cluster, observed: Observation, *resources: Resource) -> Projection:
    """The projection of these resources."""
    snapshot = History(cluster, *resources).snapshot
    return project(render(effective(snapshot, cluster, BIRTH)), cluster, observed)


def one(projection: Projection, kind: str) -> IstioObject:
    """The only object of a kind."""
    [obj] = [each for each in projection.objects if each["kind"] == kind]
    return obj


def reasons(projection: Projection) -> dict[str, str]:
    """The reason of each obstacle, by the id of its resource."""
    return {name.rpartition("/")[2]: problem.reason for name, problem in projection.obstacles.items()}
