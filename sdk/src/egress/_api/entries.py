"""Service entries: upsert."""

from collections.abc import Iterable, Mapping
from typing import Unpack

from egress._api import names
from egress._api.fields import MutationOptions, endpoint, enum, mutation, port, selector, traffic_settings
from egress._client.calls import Call, mutating
from egress.v1 import egress_service_pb2 as pb
from egress.v1.service_entry_pb2 import (
    ConnectionLimits,
    Endpoint,
    LoadBalancer,
    OutlierDetection,
    Retries,
    Route,
    ServiceEntry,
    ServicePort,
    TlsOrigination,
)


class EntryMethods:
    """The external services that workloads may reach."""

    mesh: str

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
        workload_selector: Mapping[str, str] | None = None,
        subject_alt_names: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        request_timeout: float | str | None = None,
        retries: int | Retries | None = None,
        routes: Iterable[Route] = (),
        tls_origination: bool | int | TlsOrigination = False,
        connection_limits: int | ConnectionLimits | None = None,
        outlier_detection: int | OutlierDetection | None = None,
        load_balancer: str | LoadBalancer | None = None,
        namespace: str = "",
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[MutationOptions],
    ) -> Call[pb.UpsertServiceEntryResponse]:
        """Creates or fully replaces a service entry.

        Takes either fields or `yaml`, the YAML of one Istio ServiceEntry, which is sent unchanged. A port may be
        written `80:HTTP` or `443:TLS:name:8443` (target port), or `8080` if the sidecar is to detect its protocol; an
        endpoint as its address. `workload_selector` selects workloads of the mesh as endpoints by their labels;
        `labels` and `annotations` are those of the object. `namespace` defaults to `default`, or with YAML to the
        YAML's namespace. For `options` see `MutationOptions`.

        Traffic settings: `request_timeout` in seconds or as `15s`, retries included; `retries` is the number of retries
        (0 disables them); `routes` send requests to other destinations by header and weight; with `tls_origination` the
        sidecar originates TLS for HTTP port 80 (True) or for the given port; `connection_limits` is the maximum number
        of connections; `outlier_detection` is the number of consecutive server errors after which an address is
        ejected; `load_balancer` is `LEAST_REQUEST`, `ROUND_ROBIN` or `RANDOM`. The messages allow more than these short
        forms.

        Raises ValueError if both YAML and fields are given, or if a field is not valid.
        """
        clusters_ = selector(clusters, cluster_labels)
        entry = ServiceEntry(
            hosts=hosts,
            ports=map(port, ports),
            endpoints=map(endpoint, endpoints),
            addresses=addresses,
            export_to=export_to,
            workload_selector=workload_selector,
            subject_alt_names=subject_alt_names,
            labels=labels,
            annotations=annotations,
            traffic=traffic_settings(
                request_timeout,
                retries,
                routes,
                tls_origination,
                connection_limits,
                outlier_detection,
                load_balancer,
            ),
        )
        if yaml is not None and entry.ByteSize():
            raise ValueError("give a service entry as YAML or as fields, not both")
        request = pb.UpsertServiceEntryRequest(service_entry_id=id, **mutation(options))
        if yaml is None:
            entry.resolution = enum(ServiceEntry.Resolution, resolution)
            entry.location = enum(ServiceEntry.Location, location)
            entry.MergeFrom(ServiceEntry(cluster_selector=clusters_))
            request.service_entry.CopyFrom(entry)
        else:
            request.MergeFrom(pb.UpsertServiceEntryRequest(istio_yaml=yaml, cluster_selector=clusters_))
        request.parent = names.namespace_or_mesh(self.mesh, namespace or ("default" if yaml is None else ""))
        path = "/egress.v1.EgressService/UpsertServiceEntry"
        return Call(path, request, pb.UpsertServiceEntryResponse, options.get("timeout"))
