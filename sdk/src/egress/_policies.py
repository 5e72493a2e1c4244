"""The methods of EgressService that say what may be reached: outbound policies and service entries."""

from collections.abc import Iterable, Mapping
from typing import Unpack

from egress import _names as names
from egress._calls import Call, Listing, mutating, paged, unary
from egress._fields import Mutation, endpoint, enum, mutation, port, scope, selector
from egress._traffic import traffic_settings
from egress.v1 import egress_service_pb2 as pb
from egress.v1.outbound_policy_pb2 import OutboundPolicy
from egress.v1.service_entry_pb2 import (
    ConnectionLimits,
    Endpoint,
    OutlierDetection,
    Retries,
    Route,
    ServiceEntry,
    ServicePort,
    TlsOrigination,
)

_SERVICE = "/egress.v1.EgressService/"


class PolicyMethods:
    """What workloads of a mesh may reach, and how."""

    mesh: str

    @mutating
    def set_outbound_policy(
        self,
        mode: OutboundPolicy.Mode.ValueType | str,
        *,
        id: str = "",
        namespace: str = "",
        match_labels: Mapping[str, str] | None = None,
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[Mutation],
    ) -> Call[pb.SetOutboundPolicyResponse]:
        """Create an outbound policy, or replace one wholly.

        `mode` is ALLOW_ANY or REGISTRY_ONLY. It holds in `namespace` (empty: the whole mesh), for
        workloads with `match_labels`, on `clusters` or those with `cluster_labels` (neither: all).
        Where `id` is empty it is made from that scope. For `options` see `Mutation`.
        """
        policy = OutboundPolicy(
            mode=enum(OutboundPolicy.Mode, mode),
            scope=scope(namespace, match_labels),
            cluster_selector=selector(clusters, cluster_labels),
        )
        request = pb.SetOutboundPolicyRequest(
            parent=names.mesh(self.mesh),
            outbound_policy_id=id,
            outbound_policy=policy,
            **mutation(options),
        )
        return Call(
            _SERVICE + "SetOutboundPolicy",
            request,
            pb.SetOutboundPolicyResponse,
            options.get("timeout"),
        )

    @unary
    def get_outbound_policy(self, policy: str = "default", *, timeout: float | None = None) -> Call[OutboundPolicy]:
        """Return one outbound policy by id or full name; `default` is the one for the whole
        mesh.
        """
        request = pb.GetOutboundPolicyRequest(name=names.outbound_policy(self.mesh, policy))
        return Call(_SERVICE + "GetOutboundPolicy", request, OutboundPolicy, timeout)

    @paged
    def list_outbound_policies(
        self,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[OutboundPolicy, pb.ListOutboundPoliciesResponse]:
        """List the mesh's outbound policies. `timeout` holds for each page."""
        request = pb.ListOutboundPoliciesRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListOutboundPolicies", request, pb.ListOutboundPoliciesResponse, timeout)
        return Listing(call, lambda page: page.outbound_policies)

    @mutating
    def delete_outbound_policy(self, policy: str, **options: Unpack[Mutation]) -> Call[pb.DeleteOutboundPolicyResponse]:
        """Delete an outbound policy by id or full name. For `options` see `Mutation`."""
        request = pb.DeleteOutboundPolicyRequest(name=names.outbound_policy(self.mesh, policy), **mutation(options))
        return Call(
            _SERVICE + "DeleteOutboundPolicy",
            request,
            pb.DeleteOutboundPolicyResponse,
            options.get("timeout"),
        )

    @mutating
    def upsert_service_entry(
        self,
        id: str = "",
        *,
        yaml: str | None = None,
        hosts: Iterable[str] = (),
        ports: Iterable[ServicePort | str] = (),
        resolution: ServiceEntry.Resolution.ValueType | str = "DNS",
        location: ServiceEntry.Location.ValueType | str = "MESH_EXTERNAL",
        endpoints: Iterable[Endpoint | str] = (),
        addresses: Iterable[str] = (),
        export_to: Iterable[str] = (),
        request_timeout: float | str | None = None,
        retries: int | Retries | None = None,
        routes: Iterable[Route] = (),
        tls_origination: bool | int | TlsOrigination = False,
        connection_limits: int | ConnectionLimits | None = None,
        outlier_detection: int | OutlierDetection | None = None,
        namespace: str = "",
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[Mutation],
    ) -> Call[pb.UpsertServiceEntryResponse]:
        """Create a service entry, or replace one wholly.

        Give either the fields or `yaml`: one Istio ServiceEntry, unchanged. A port may be written
        `80:HTTP` or `443:TLS:name:8443` (target port), an endpoint as its address. With fields an
        empty `namespace` is `default`; with YAML it is the YAML's, `default` where it names none.
        For `options` see `Mutation`.

        How traffic is treated: `request_timeout` in seconds or as `15s`, retries included;
        `retries` beyond the first try (0: none at all); `routes` send requests elsewhere by header
        and weight; with `tls_origination` the sidecar speaks TLS for the HTTP port 80 (True) or
        another; `connection_limits` in open connections; `outlier_detection` in server errors in a
        row before an address is taken out for a while. The messages say more than the short forms.

        Raises ValueError where both YAML and fields are given, or a field can't be read.
        """
        chosen = selector(clusters, cluster_labels)
        entry = ServiceEntry(
            hosts=hosts,
            ports=map(port, ports),
            endpoints=map(endpoint, endpoints),
            addresses=addresses,
            export_to=export_to,
            traffic=traffic_settings(
                request_timeout, retries, routes, tls_origination, connection_limits, outlier_detection
            ),
        )
        if yaml is not None and entry.ByteSize():
            raise ValueError("give a service entry as YAML or as fields, not both")
        request = pb.UpsertServiceEntryRequest(service_entry_id=id, **mutation(options))
        if yaml is None:
            entry.resolution = enum(ServiceEntry.Resolution, resolution)
            entry.location = enum(ServiceEntry.Location, location)
            entry.MergeFrom(ServiceEntry(cluster_selector=chosen))
            request.service_entry.CopyFrom(entry)
        else:
            request.MergeFrom(pb.UpsertServiceEntryRequest(istio_yaml=yaml, cluster_selector=chosen))
        request.parent = names.parent(self.mesh, namespace or ("default" if yaml is None else ""))
        return Call(
            _SERVICE + "UpsertServiceEntry",
            request,
            pb.UpsertServiceEntryResponse,
            options.get("timeout"),
        )

    @unary
    def get_service_entry(
        self, entry: str, *, namespace: str = "default", timeout: float | None = None
    ) -> Call[ServiceEntry]:
        """Return one service entry, by id and namespace or by full name."""
        request = pb.GetServiceEntryRequest(name=names.service_entry(self.mesh, namespace, entry))
        return Call(_SERVICE + "GetServiceEntry", request, ServiceEntry, timeout)

    @paged
    def list_service_entries(
        self,
        *,
        namespace: str = "-",
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[ServiceEntry, pb.ListServiceEntriesResponse]:
        """List the service entries of a namespace; `-` means all. `timeout` holds for each page."""
        request = pb.ListServiceEntriesRequest(
            parent=names.namespace(self.mesh, namespace),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        call = Call(_SERVICE + "ListServiceEntries", request, pb.ListServiceEntriesResponse, timeout)
        return Listing(call, lambda page: page.service_entries)

    @mutating
    def delete_service_entry(
        self, entry: str, *, namespace: str = "default", **options: Unpack[Mutation]
    ) -> Call[pb.DeleteServiceEntryResponse]:
        """Delete a service entry, by id and namespace or by full name. For `options` see
        `Mutation`.
        """
        request = pb.DeleteServiceEntryRequest(
            name=names.service_entry(self.mesh, namespace, entry), **mutation(options)
        )
        return Call(
            _SERVICE + "DeleteServiceEntry",
            request,
            pb.DeleteServiceEntryResponse,
            options.get("timeout"),
        )
