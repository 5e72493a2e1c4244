"""The methods of FleetService: the clusters that policy is delivered to."""

from collections.abc import Mapping
from typing import Literal, Unpack

from egress import _names as names
from egress._calls import Call, Listing, paged, unary
from egress._fields import Mutation, mutation
from egress.v1 import fleet_service_pb2 as pb
from egress.v1.cluster_pb2 import Cluster

_SERVICE = "/egress.v1.FleetService/"


class FleetMethods:
    """The clusters that policy is delivered to."""

    mesh: str

    @unary
    def register_cluster(
        self,
        id: str,
        *,
        target: Literal["local"] = "local",
        labels: Mapping[str, str] | None = None,
        **options: Unpack[Mutation],
    ) -> Call[pb.RegisterClusterResponse]:
        """Register a cluster, or replace the registration of one.

        `target` says how it is driven: `local` is an Envoy beside the server. `labels` are what
        cluster selectors match. For `options` see `Mutation`.
        """
        if target != "local":
            raise ValueError(f"target {target!r} is none of local")
        request = pb.RegisterClusterRequest(
            parent=names.mesh(self.mesh),
            cluster_id=id,
            cluster=Cluster(labels=labels, local=Cluster.LocalTarget()),
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
