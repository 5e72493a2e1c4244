"""The methods of EgressService: outbound policies, service entries, probes."""

from collections.abc import Iterable, Mapping
from typing import Unpack

from egress import _names as names
from egress._calls import Call, Listing, paged, unary
from egress._fields import Mutation, duration, endpoint, enum, mutation, port, selector
from egress.v1 import egress_service_pb2 as pb
from egress.v1.common_pb2 import Scope
from egress.v1.outbound_policy_pb2 import OutboundPolicy
from egress.v1.probe_pb2 import ProbeRequest, ProbeResponse
from egress.v1.service_entry_pb2 import Endpoint, ServiceEntry, ServicePort

_SERVICE = "/egress.v1.EgressService/"


class EgressMethods:
    """How workloads of a mesh reach the outside world."""

    mesh: str

    @unary
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
        scope = Scope(namespace=namespace, match_labels=match_labels)
        policy = OutboundPolicy(
            mode=enum(OutboundPolicy.Mode, mode),
            scope=scope if scope.ByteSize() else None,
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

    @unary
    def delete_outbound_policy(self, policy: str, **options: Unpack[Mutation]) -> Call[pb.DeleteOutboundPolicyResponse]:
        """Delete an outbound policy by id or full name. For `options` see `Mutation`."""
        request = pb.DeleteOutboundPolicyRequest(name=names.outbound_policy(self.mesh, policy), **mutation(options))
        return Call(
            _SERVICE + "DeleteOutboundPolicy",
            request,
            pb.DeleteOutboundPolicyResponse,
            options.get("timeout"),
        )

    @unary
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

        Raises ValueError where both YAML and fields are given, or a field can't be read.
        """
        chosen = selector(clusters, cluster_labels)
        entry = ServiceEntry(
            hosts=hosts,
            ports=map(port, ports),
            endpoints=map(endpoint, endpoints),
            addresses=addresses,
            export_to=export_to,
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
        if yaml is None or namespace:
            request.parent = names.namespace(self.mesh, namespace or "default")
        else:
            request.parent = names.mesh(self.mesh)
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

    @unary
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

    @unary
    def probe(
        self,
        url: str,
        *,
        cluster: str,
        namespace: str = "",
        method: str = "",
        headers: Mapping[str, str] | None = None,
        resolve: str = "",
        attempt_timeout: float | None = None,
        min_applied_revision: int = 0,
        timeout: float | None = None,
    ) -> Call[ProbeResponse]:
        """Ask `url` from a workload, as `curl -I` in it would, and get a verdict with its evidence.

        The workload is any with an agent in `cluster` (and `namespace`). `resolve` is an address to
        dial instead of asking DNS. `attempt_timeout` bounds one attempt (10 s where None; there are
        up to three), `timeout` the call (where None, enough for three attempts), in seconds. With
        `min_applied_revision` the probe first waits until the cluster holds that revision.
        """
        request = ProbeRequest(
            cluster=names.cluster(self.mesh, cluster),
            namespace=namespace,
            url=url,
            method=method,
            headers=headers,
            resolve=resolve,
            timeout=duration(attempt_timeout),
            min_applied_revision=min_applied_revision,
        )
        if timeout is None:
            timeout = 3 * (attempt_timeout or 10) + 10
        return Call(_SERVICE + "Probe", request, ProbeResponse, timeout)
