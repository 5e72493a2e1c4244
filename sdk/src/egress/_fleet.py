"""The methods of FleetService: the mesh, the clusters that policy is delivered to, and the agents in them."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack

from egress import _names as names
from egress._calls import Call, Listing, mutating, paged, unary
from egress._fields import Mutation, enum, mutation
from egress.v1 import fleet_service_pb2 as pb
from egress.v1.cluster_pb2 import Cluster
from egress.v1.mesh_pb2 import Mesh

_SERVICE = "/egress.v1.FleetService/"


class FleetMethods:
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
        **options: Unpack[Mutation],
    ) -> Call[pb.RegisterClusterResponse]:
        """Register a cluster, or replace the registration of one.

        `target` says how it is driven: `local` is an Envoy beside the server, `directory` a folder
        `path` (the id where empty) below the server's --directory-root that gets one YAML file an
        object, `kubernetes` a cluster with Istio. `labels` are what cluster selectors match,
        `service_cidrs` the cluster's own service ranges.

        A Kubernetes cluster is reached by the text of a `kubeconfig` (its `context`, else its
        current-context; all credentials must stand in it), by a `secret` NAMESPACE/NAME beside the
        applier, as the cluster that the applier runs in (`in_cluster`), or, with none of these, as
        before or as the applier was told at its start. `istio_revision`, `root_namespace` and
        `mesh_policy` say what Istio is there, and where a mesh-wide outbound policy is written.
        For `options` see `Mutation`.

        Raises ValueError for an unknown target, and for what a target does not have.
        """
        request = pb.RegisterClusterRequest(
            parent=names.mesh(self.mesh),
            cluster_id=id,
            cluster=_registration(
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
            ),
            **mutation(options),
        )
        return Call(
            _SERVICE + "RegisterCluster",
            request,
            pb.RegisterClusterResponse,
            options.get("timeout"),
        )

    @unary
    def get_cluster(self, cluster: str, *, timeout: float | None = None) -> Call[Cluster]:
        """Return one cluster, with what the appliers know of it, by id or full name."""
        request = pb.GetClusterRequest(name=names.cluster(self.mesh, cluster))
        return Call(_SERVICE + "GetCluster", request, Cluster, timeout)

    @paged
    def list_clusters(
        self,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[Cluster, pb.ListClustersResponse]:
        """List the mesh's clusters. `timeout` holds for each page."""
        request = pb.ListClustersRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListClusters", request, pb.ListClustersResponse, timeout)
        return Listing(call, lambda page: page.clusters)

    @mutating
    def update_cluster(
        self, cluster: str, *, labels: Mapping[str, str] | None = None, **options: Unpack[Mutation]
    ) -> Call[pb.UpdateClusterResponse]:
        """Replace the labels of a cluster, by id or full name; its target stays. For `options` see `Mutation`."""
        wanted = Cluster(name=names.cluster(self.mesh, cluster), labels=labels)
        request = pb.UpdateClusterRequest(cluster=wanted, **mutation(options))
        return Call(_SERVICE + "UpdateCluster", request, pb.UpdateClusterResponse, options.get("timeout"))

    @mutating
    def deregister_cluster(
        self, cluster: str, *, cleanup: bool = False, **options: Unpack[Mutation]
    ) -> Call[pb.DeregisterClusterResponse]:
        """Forget a cluster, by id or full name.

        What is on it stays as it is, unless `cleanup` removes what is ours first; it must be
        reachable then. For `options` see `Mutation`.
        """
        request = pb.DeregisterClusterRequest(
            name=names.cluster(self.mesh, cluster), cleanup=cleanup, **mutation(options)
        )
        return Call(_SERVICE + "DeregisterCluster", request, pb.DeregisterClusterResponse, options.get("timeout"))

    @paged
    def list_agents(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[pb.Agent, pb.ListAgentsResponse]:
        """List the agents attached now in a cluster; `-` means all. `timeout` holds for each page."""
        request = pb.ListAgentsRequest(
            parent=names.cluster(self.mesh, cluster), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListAgents", request, pb.ListAgentsResponse, timeout)
        return Listing(call, lambda page: page.agents)

    @unary
    def resync(self, cluster: str, *, timeout: float | None = None) -> Call[pb.ResyncResponse]:
        """Have an applier look at a cluster afresh and mend what differs. Returns at once."""
        request = pb.ResyncRequest(name=names.cluster(self.mesh, cluster))
        return Call(_SERVICE + "Resync", request, pb.ResyncResponse, timeout)

    @unary
    def get_mesh(self, *, timeout: float | None = None) -> Call[Mesh]:
        """Return the client's mesh."""
        return Call(_SERVICE + "GetMesh", pb.GetMeshRequest(name=names.mesh(self.mesh)), Mesh, timeout)

    @mutating
    def update_mesh(
        self,
        *,
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        drift_policy: Literal["", "heal", "report"] = "",
        **options: Unpack[Mutation],
    ) -> Call[pb.UpdateMeshResponse]:
        """Replace display name and labels of the client's mesh, both, and what happens to drift, which stays where it
        is not given. For `options` see `Mutation`.
        """
        mesh = Mesh(
            name=names.mesh(self.mesh),
            display_name=display_name,
            labels=labels,
            drift_policy=enum(Mesh.DriftPolicy, drift_policy or "drift_policy_unspecified"),
        )
        request = pb.UpdateMeshRequest(mesh=mesh, **mutation(options))
        return Call(_SERVICE + "UpdateMesh", request, pb.UpdateMeshResponse, options.get("timeout"))


_OWN_FIELDS = {
    "local": frozenset[str](),
    "directory": frozenset({"path"}),
    "kubernetes": frozenset(
        {"kubeconfig", "context", "secret", "in_cluster", "istio_revision", "root_namespace", "mesh_policy"}
    ),
}


def _registration(
    target: str, labels: Mapping[str, str] | None, service_cidrs: Iterable[str], **fields: str | bool
) -> Cluster:
    """`fields` are those that some target has; the others must leave them empty."""
    if target not in _OWN_FIELDS:
        raise ValueError(f"target {target!r} is none of {', '.join(_OWN_FIELDS)}")
    given: dict[str, Any] = {name: value for name, value in fields.items() if value}
    if strange := sorted(given.keys() - _OWN_FIELDS[target]):
        raise ValueError(f"target {target} has no {', '.join(strange)}")
    if policy := given.get("mesh_policy"):
        given["mesh_policy"] = enum(Cluster.KubernetesTarget.MeshPolicy, policy)
    cluster = Cluster(labels=labels)
    chosen: Any = getattr(cluster, target)
    chosen.MergeFrom(type(chosen)(service_cidrs=service_cidrs, **given))
    chosen.SetInParent()
    return cluster
