"""The mesh and its clusters: register and update."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack

from egress._api import names
from egress._api.fields import MutationOptions, enum, mutation
from egress._client.calls import Call, mutating
from egress.v1 import fleet_service_pb2 as pb
from egress.v1.cluster_pb2 import Cluster
from egress.v1.mesh_pb2 import Mesh

_TARGET_FIELDS = {
    "local": frozenset[str](),
    "directory": frozenset({"path"}),
    "kubernetes": frozenset(
        {"kubeconfig", "context", "secret", "in_cluster", "istio_revision", "root_namespace", "mesh_policy"}
    ),
}


class ClusterMethods:
    """The clusters that policy is delivered to."""

    mesh: str

    @mutating
    def register_cluster(
        self,
        id: str,
        *,
        target: Literal["local", "directory", "kubernetes"] = "local",
        labels: Mapping[str, str] | None = None,
        path: str = "",
        service_cidrs: Iterable[str] = (),
        kubeconfig: str = "",
        context: str = "",
        secret: str = "",
        in_cluster: bool = False,
        istio_revision: str = "",
        root_namespace: str = "",
        mesh_policy: Literal["", "both", "sidecar", "mesh-config"] = "",
        **options: Unpack[MutationOptions],
    ) -> Call[pb.RegisterClusterResponse]:
        """Registers a cluster, or replaces its registration.

        `target` is how policy is delivered: `local` to an Envoy on the server's machine; `directory` as one YAML file
        per object, to the directory `path` (default: the ID) below the server's --directory-root; `kubernetes` to a
        cluster with Istio. `labels` are matched by cluster selectors, `service_cidrs` are the cluster's own service
        ranges.

        A Kubernetes cluster is accessed with the text of a `kubeconfig` (its `context`, default: its current-context;
        credentials must be inline), with a `secret` NAMESPACE/NAME in the applier's cluster, or as the cluster that the
        applier runs in (`in_cluster`). With none of these, the access it had is kept, or the applier's own settings
        apply. `istio_revision` and `root_namespace` describe its Istio; `mesh_policy` is where mesh-wide outbound
        policies are written. For `options` see `MutationOptions`.

        Raises ValueError if the target is unknown, or does not support an argument.
        """
        cluster = _registration(
            target,
            labels,
            service_cidrs,
            path=path,
            kubeconfig=kubeconfig,
            context=context,
            secret=secret,
            in_cluster=in_cluster,
            istio_revision=istio_revision,
            root_namespace=root_namespace,
            mesh_policy=mesh_policy,
        )
        request = pb.RegisterClusterRequest(
            parent=names.mesh(self.mesh), cluster_id=id, cluster=cluster, **mutation(options)
        )
        path_ = "/egress.v1.FleetService/RegisterCluster"
        return Call(path_, request, pb.RegisterClusterResponse, options.get("timeout"))

    @mutating
    def update_cluster(
        self, cluster: str, *, labels: Mapping[str, str] | None = None, **options: Unpack[MutationOptions]
    ) -> Call[pb.UpdateClusterResponse]:
        """Replaces the labels of a cluster, given by ID or full name. Its target cannot be changed.

        For `options` see `MutationOptions`.
        """
        wanted = Cluster(name=names.child(names.mesh(self.mesh), "clusters", cluster), labels=labels)
        request = pb.UpdateClusterRequest(cluster=wanted, **mutation(options))
        path = "/egress.v1.FleetService/UpdateCluster"
        return Call(path, request, pb.UpdateClusterResponse, options.get("timeout"))

    @mutating
    def update_mesh(
        self,
        *,
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        drift_policy: Literal["", "heal", "report"] = "",
        **options: Unpack[MutationOptions],
    ) -> Call[pb.UpdateMeshResponse]:
        """Replaces the display name and labels of the client's mesh, and its drift policy if one is given.

        For `options` see `MutationOptions`.
        """
        mesh = Mesh(
            name=names.mesh(self.mesh),
            display_name=display_name,
            labels=labels,
            drift_policy=enum(Mesh.DriftPolicy, drift_policy or "drift_policy_unspecified"),
        )
        request = pb.UpdateMeshRequest(mesh=mesh, **mutation(options))
        path = "/egress.v1.FleetService/UpdateMesh"
        return Call(path, request, pb.UpdateMeshResponse, options.get("timeout"))


def _registration(
    target: str, labels: Mapping[str, str] | None, service_cidrs: Iterable[str], **fields: str | bool
) -> Cluster:
    """`fields` are those that only some targets have; they must be empty for the others."""
    if target not in _TARGET_FIELDS:
        raise ValueError(f"target {target!r} is not valid: must be one of {', '.join(_TARGET_FIELDS)}")
    given: dict[str, Any] = {name: value for name, value in fields.items() if value}
    if unsupported := sorted(given.keys() - _TARGET_FIELDS[target]):
        raise ValueError(f"target {target} does not support {', '.join(unsupported)}")
    if policy := given.get("mesh_policy"):
        given["mesh_policy"] = enum(Cluster.KubernetesTarget.MeshPolicy, policy)
    cluster = Cluster(labels=labels)
    settings: Any = getattr(cluster, target)
    settings.MergeFrom(type(settings)(service_cidrs=service_cidrs, **given))
    settings.SetInParent()
    return cluster
