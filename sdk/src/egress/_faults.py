"""The methods of EgressService that disturb requests for a while."""

from collections.abc import Iterable, Mapping
from typing import Unpack
from uuid import uuid4

from egress import _names as names
from egress._calls import Call, Listing, mutating, paged, unary
from egress._changed import Until
from egress._durations import duration
from egress._fields import Mutation, fault_abort, fault_delay, header_matches, mutation, selector
from egress._lasting import leased
from egress._leases import Lease
from egress.v1 import egress_service_pb2 as pb
from egress.v1.fault_pb2 import Fault
from egress.v1.service_entry_pb2 import HeaderMatch

_SERVICE = "/egress.v1.EgressService/"


class FaultMethods:
    """Requests to external services that are delayed or fail, for a limited time."""

    mesh: str

    @mutating
    def inject_fault(
        self,
        host: str = "",
        *,
        yaml: str | None = None,
        delay: float | str | Fault.Delay | None = None,
        abort: int | str | Fault.Abort | None = None,
        percent: float | None = None,
        ports: Iterable[int] = (),
        headers: Mapping[str, str] | Iterable[HeaderMatch] = (),
        source_labels: Mapping[str, str] | None = None,
        source_namespace: str = "",
        ttl: float | str | None = None,
        id: str = "",
        namespace: str = "",
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[Mutation],
    ) -> Call[pb.InjectFaultResponse]:
        """Disturb requests to `host` until `ttl` is over (10 min where None), or replace a fault wholly.

        `delay` and `ttl` are seconds or words such as `5s`; `abort` is an HTTP status or a gRPC
        status by name; `percent` is the share of requests (all where None). The fault concerns
        `ports` (none: all HTTP ports), requests that carry all `headers` (a mapping compares whole
        values), from workloads with `source_labels` in `source_namespace`. Instead of host and
        these give `yaml`: one Istio VirtualService whose HTTP routes carry a fault, unchanged. With
        fields an empty `namespace` is `default`; with YAML it is the YAML's. Where `id` is empty it
        is the YAML's name, else made of the host. For `options` see `Mutation`.

        Raises ValueError where both YAML and fields are given, or a field can't be read.
        """
        chosen, lifetime = selector(clusters, cluster_labels), duration(ttl)
        fault = Fault(
            host=host,
            delay=fault_delay(delay, percent),
            abort=fault_abort(abort, percent),
            ports=ports,
            match_headers=header_matches(headers),
            source_labels=source_labels,
            source_namespace=source_namespace,
        )
        if yaml is not None and (fault.ByteSize() or percent is not None):
            raise ValueError("give a fault as YAML or as fields, not both")
        request = pb.InjectFaultRequest(fault_id=id, **mutation(options))
        if yaml is None:
            fault.MergeFrom(Fault(cluster_selector=chosen, ttl=lifetime))
            request.fault.CopyFrom(fault)
        else:
            request.MergeFrom(pb.InjectFaultRequest(istio_yaml=yaml, cluster_selector=chosen, ttl=lifetime))
        request.parent = names.parent(self.mesh, namespace or ("default" if yaml is None else ""))
        return Call(_SERVICE + "InjectFault", request, pb.InjectFaultResponse, options.get("timeout"))

    @leased
    def fault(
        self,
        host: str,
        *,
        delay: float | str | Fault.Delay | None = None,
        abort: int | str | Fault.Abort | None = None,
        percent: float | None = None,
        ports: Iterable[int] = (),
        headers: Mapping[str, str] | Iterable[HeaderMatch] = (),
        source_labels: Mapping[str, str] | None = None,
        source_namespace: str = "",
        ttl: float | str | None = None,
        id: str = "",
        namespace: str = "",
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        until: Until | None = "applied",
        wait_timeout: float = 30.0,
        **options: Unpack[Mutation],
    ) -> Lease:
        """Hold a fault for as long as a `with` block runs; `async with` on the client that is awaited.

        Takes what `inject_fault` takes and gives the Fault. The block begins once the fault is
        applied (or verified; `until=None` waits for nothing), and its end clears the fault, by an
        exception too. Should this process die, `ttl` ends it. Where `id` is empty it is a new one,
        so that nobody else's fault is replaced.

        Raises DeadlineExceeded where the fault, or its end, is not in effect on every cluster within
        `wait_timeout` seconds.
        """
        call = FaultMethods.inject_fault(
            self,
            host,
            delay=delay,
            abort=abort,
            percent=percent,
            ports=ports,
            headers=headers,
            source_labels=source_labels,
            source_namespace=source_namespace,
            ttl=ttl,
            id=id or f"held-{uuid4().hex[:12]}",
            namespace=namespace,
            clusters=clusters,
            cluster_labels=cluster_labels,
            **options,
        )
        if options.get("validate_only"):
            raise ValueError("a dry run injects no fault to hold")
        return Lease(call, until, wait_timeout)

    @unary
    def get_fault(self, fault: str, *, namespace: str = "default", timeout: float | None = None) -> Call[Fault]:
        """Return one fault, by id and namespace or by full name; `expire_time` says when it ends."""
        request = pb.GetFaultRequest(name=names.fault(self.mesh, namespace, fault))
        return Call(_SERVICE + "GetFault", request, Fault, timeout)

    @paged
    def list_faults(
        self,
        *,
        namespace: str = "-",
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[Fault, pb.ListFaultsResponse]:
        """List the faults of a namespace; `-` means all. `timeout` holds for each page."""
        request = pb.ListFaultsRequest(
            parent=names.namespace(self.mesh, namespace), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListFaults", request, pb.ListFaultsResponse, timeout)
        return Listing(call, lambda page: page.faults)

    @mutating
    def clear_fault(
        self, fault: str, *, namespace: str = "default", **options: Unpack[Mutation]
    ) -> Call[pb.ClearFaultResponse]:
        """End a fault before its time, by id and namespace or by full name. For `options` see `Mutation`."""
        request = pb.ClearFaultRequest(name=names.fault(self.mesh, namespace, fault), **mutation(options))
        return Call(_SERVICE + "ClearFault", request, pb.ClearFaultResponse, options.get("timeout"))
