"""Faults: inject one, or hold one for a block of code."""

from collections.abc import Iterable, Mapping
from typing import Unpack
from uuid import uuid4

from egress._api import names
from egress._api.fields import (
    MutationOptions,
    duration,
    fault_abort,
    fault_delay,
    header_matches,
    mutation,
    selector,
    string_match,
)
from egress._client.calls import Call, FaultLease, leased, mutating
from egress._client.results import Until
from egress.v1 import egress_service_pb2 as pb
from egress.v1.fault_pb2 import Fault
from egress.v1.service_entry_pb2 import HeaderMatch, StringMatch


class FaultMethods:
    """Time-limited delays and errors for requests to external services."""

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
        uri: str | StringMatch | None = None,
        method: str | StringMatch | None = None,
        authority: str | StringMatch | None = None,
        source_labels: Mapping[str, str] | None = None,
        source_namespace: str = "",
        ttl: float | str | None = None,
        id: str = "",
        namespace: str = "",
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[MutationOptions],
    ) -> Call[pb.InjectFaultResponse]:
        """Injects a fault into requests to `host` until `ttl` expires (default: 10 min), or fully replaces one.

        `delay` and `ttl` are seconds or text such as `5s`; `abort` is an HTTP status or the name of a gRPC status;
        `percent` is the share of requests (default: all). The fault applies to `ports` (default: all HTTP ports), to
        requests that have all `headers` (a mapping matches exact values) and this path (`uri`), `method` and Host
        header (`authority`; texts match exactly), from workloads with `source_labels` in `source_namespace`. Instead of
        these fields, `yaml` takes the YAML of one Istio VirtualService whose HTTP routes have a fault; it is sent
        unchanged. `namespace` defaults to `default`, or with YAML to the YAML's namespace; `id` to the YAML's name, or
        to an ID derived from the host. For `options` see `MutationOptions`.

        Raises ValueError if both YAML and fields are given, or if a field is not valid.
        """
        clusters_, lifetime = selector(clusters, cluster_labels), duration(ttl)
        fault = Fault(
            host=host,
            delay=fault_delay(delay, percent),
            abort=fault_abort(abort, percent),
            ports=ports,
            match_headers=header_matches(headers),
            match_uri=string_match(uri),
            match_method=string_match(method),
            match_authority=string_match(authority),
            source_labels=source_labels,
            source_namespace=source_namespace,
        )
        if yaml is not None and (fault.ByteSize() or percent is not None):
            raise ValueError("give a fault as YAML or as fields, not both")
        request = pb.InjectFaultRequest(fault_id=id, **mutation(options))
        if yaml is None:
            fault.MergeFrom(Fault(cluster_selector=clusters_, ttl=lifetime))
            request.fault.CopyFrom(fault)
        else:
            request.MergeFrom(pb.InjectFaultRequest(istio_yaml=yaml, cluster_selector=clusters_, ttl=lifetime))
        request.parent = names.namespace_or_mesh(self.mesh, namespace or ("default" if yaml is None else ""))
        path = "/egress.v1.EgressService/InjectFault"
        return Call(path, request, pb.InjectFaultResponse, options.get("timeout"))

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
        uri: str | StringMatch | None = None,
        method: str | StringMatch | None = None,
        authority: str | StringMatch | None = None,
        source_labels: Mapping[str, str] | None = None,
        source_namespace: str = "",
        ttl: float | str | None = None,
        id: str = "",
        namespace: str = "",
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        until: Until | None = "applied",
        wait_timeout: float = 30.0,
        **options: Unpack[MutationOptions],
    ) -> FaultLease:
        """Injects a fault for the duration of a `with` block, or of an `async with` block of AsyncEgressClient.

        Takes the arguments of `inject_fault`; the block gets the Fault. The block starts when the fault is applied (or
        verified; `until=None` does not wait), and the fault is cleared when the block ends, even by an exception. If
        the process dies, the fault expires after `ttl`. `id` defaults to a new one, so that no other fault is replaced.

        Raises DeadlineExceeded if the fault, or its end, does not reach every cluster within `wait_timeout` seconds.
        """
        call: Call[pb.InjectFaultResponse] = FaultMethods.inject_fault(
            self,
            host,
            delay=delay,
            abort=abort,
            percent=percent,
            ports=ports,
            headers=headers,
            uri=uri,
            method=method,
            authority=authority,
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
            raise ValueError("a dry run injects no fault, so there is nothing to hold")
        return FaultLease(call, until, wait_timeout)
