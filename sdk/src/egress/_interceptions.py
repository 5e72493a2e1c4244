"""The methods of EgressService that say which connections go through the sidecar at all."""

from collections.abc import Iterable, Mapping
from typing import Unpack

from egress import _names as names
from egress._calls import Call, Listing, mutating, paged, unary
from egress._fields import Mutation, mutation, scope, selector
from egress.v1 import egress_service_pb2 as pb
from egress.v1.interception_pb2 import Interception

_SERVICE = "/egress.v1.EgressService/"

# Stands in `include` for each cluster's own service ranges, which the server knows.
_SERVICE_CIDRS = "SERVICE_CIDRS"


class InterceptionMethods:
    """Which outbound connections go through the sidecar at all."""

    mesh: str

    @mutating
    def set_interception_cidrs(
        self,
        include: Iterable[str] = (),
        *,
        exclude: Iterable[str] = (),
        include_ports: Iterable[int] = (),
        exclude_ports: Iterable[int] = (),
        none: bool = False,
        id: str = "",
        namespace: str = "",
        match_labels: Mapping[str, str] | None = None,
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[Mutation],
    ) -> Call[pb.SetInterceptionCIDRsResponse]:
        """Create an interception, or replace one wholly. Workloads read it when they start.

        `include` are the CIDR ranges that are intercepted (none, or `*`: all), with `SERVICE_CIDRS`
        for each cluster's own service ranges; `exclude` are those that are not, and beat it.
        `include_ports` and `exclude_ports` hold whatever the address. `none` intercepts nothing but
        `include_ports`. It holds in `namespace` (empty: the whole mesh), for workloads with
        `match_labels`, on `clusters` or those with `cluster_labels` (neither: all). Where `id` is
        empty it is made from that scope. For `options` see `Mutation`.
        """
        ranges = list(include)
        interception = Interception(
            scope=scope(namespace, match_labels),
            include_cidrs=[text for text in ranges if text != _SERVICE_CIDRS],
            include_service_cidrs=_SERVICE_CIDRS in ranges,
            exclude_cidrs=exclude,
            none=none,
            include_outbound_ports=include_ports,
            exclude_outbound_ports=exclude_ports,
            cluster_selector=selector(clusters, cluster_labels),
        )
        request = pb.SetInterceptionCIDRsRequest(
            parent=names.mesh(self.mesh), interception_id=id, interception=interception, **mutation(options)
        )
        return Call(_SERVICE + "SetInterceptionCIDRs", request, pb.SetInterceptionCIDRsResponse, options.get("timeout"))

    @unary
    def get_interception(self, interception: str = "default", *, timeout: float | None = None) -> Call[Interception]:
        """Return one interception by id or full name; `default` is the one for the whole mesh."""
        request = pb.GetInterceptionRequest(name=names.interception(self.mesh, interception))
        return Call(_SERVICE + "GetInterception", request, Interception, timeout)

    @paged
    def list_interceptions(
        self,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[Interception, pb.ListInterceptionsResponse]:
        """List the mesh's interceptions. `timeout` holds for each page."""
        request = pb.ListInterceptionsRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListInterceptions", request, pb.ListInterceptionsResponse, timeout)
        return Listing(call, lambda page: page.interceptions)

    @mutating
    def delete_interception(
        self, interception: str, **options: Unpack[Mutation]
    ) -> Call[pb.DeleteInterceptionResponse]:
        """Delete an interception by id or full name. For `options` see `Mutation`."""
        request = pb.DeleteInterceptionRequest(name=names.interception(self.mesh, interception), **mutation(options))
        return Call(_SERVICE + "DeleteInterception", request, pb.DeleteInterceptionResponse, options.get("timeout"))
