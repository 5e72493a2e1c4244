"""Interceptions: set."""

from collections.abc import Iterable, Mapping
from typing import Unpack

from egress._api import names
from egress._api.fields import MutationOptions, mutation, scope, selector
from egress._client.calls import Call, mutating
from egress.v1 import egress_service_pb2 as pb
from egress.v1.interception_pb2 import Interception

# In `include`: each cluster's own service ranges, which the server knows.
_SERVICE_CIDRS = "SERVICE_CIDRS"


class InterceptionMethods:
    """Which outbound connections are redirected to the sidecar."""

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
        **options: Unpack[MutationOptions],
    ) -> Call[pb.SetInterceptionCIDRsResponse]:
        """Creates or fully replaces an interception. Workloads read it when they start.

        `include` lists the CIDR ranges that are intercepted (default, or `*`: all), with `SERVICE_CIDRS` for each
        cluster's own service ranges; `exclude` lists exceptions to it. `include_ports` and `exclude_ports` apply to
        all addresses. `none` intercepts only `include_ports`. The interception applies in `namespace` (default: the
        whole mesh), to workloads with `match_labels`, on `clusters` or on clusters with `cluster_labels` (default:
        all). `id` defaults to an ID derived from this scope. For `options` see `MutationOptions`.
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
        path = "/egress.v1.EgressService/SetInterceptionCIDRs"
        return Call(path, request, pb.SetInterceptionCIDRsResponse, options.get("timeout"))
