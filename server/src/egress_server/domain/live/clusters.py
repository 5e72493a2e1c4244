"""What happens to a connection that is sent to a cluster."""

from dataclasses import replace

from egress_server.domain.live.config import Json, SidecarConfig, source_of
from egress_server.domain.live.decision import LiveUpstream, Question
from egress_server.domain.live.listeners import address_of
from egress_server.domain.model.addresses import host_port
from egress_server.domain.probe.clusters import UNREGISTERED_CLUSTERS, upstream_of
from egress_server.domain.probe.verdicts import Outcome, Upstream

BLACK_HOLE = "BlackHoleCluster"
_UNUSABLE = frozenset({"UNHEALTHY", "DRAINING", "TIMEOUT"})
_FORWARD_PROXY = "envoy.clusters.dynamic_forward_proxy"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def find_upstream(config: SidecarConfig, name: str, share: float, question: Question) -> LiveUpstream:
    """The outcome of such connections to the cluster of this name, which get `share` of all."""
    cluster = config.clusters.get(name)
    if cluster is None:
        warming = config.warming.get(name)
        if warming is None:
            return replace(_described(name, {}), share=share, cause="UNKNOWN_CLUSTER")
        return replace(_described(name, warming), share=share, outcome=Outcome.INCONCLUSIVE, cause="CLUSTER_WARMING")
    endpoints = _endpoints(config, name, cluster, question.address)
    if name == BLACK_HOLE:
        outcome, cause = Outcome.BLOCKED, "BLACK_HOLE"
    elif endpoints == ():
        outcome, cause = Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS"
    elif name in UNREGISTERED_CLUSTERS:
        outcome, cause = Outcome.PASSTHROUGH, "UNREGISTERED_PASSED"
    else:
        outcome, cause = Outcome.REGISTERED, "SENT"
    return replace(_described(name, cluster), share=share, outcome=outcome, cause=cause, endpoints=endpoints)


def _described(name: str, cluster: Json) -> LiveUpstream:
    """What name and configuration of a cluster say."""
    service = upstream_of(name) or Upstream("", 0)
    tls = _tls(cluster)
    return LiveUpstream(
        cluster=name,
        share=0.0,
        outcome=Outcome.BLOCKED,
        cause="",
        host=service.host,
        port=service.port,
        subset=service.subset,
        originates_tls=tls is not None,
        sni=str((tls or {}).get("sni", "")),
        http2=_speaks_http2(cluster),
        destination_rule=source_of(cluster, "destination-rule"),
        resolves_host=cluster_type(cluster) == _FORWARD_PROXY,
    )


def cluster_type(cluster: Json) -> str:
    """Envoy's type of a cluster: STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST, or the name of an extension."""
    extension = cluster.get("cluster_type", {}).get("name")
    return str(extension or cluster.get("type", "STATIC"))


def _endpoints(config: SidecarConfig, name: str, cluster: Json, dialed: str) -> tuple[str, ...] | None:
    if cluster_type(cluster) == _FORWARD_PROXY:
        return None
    if cluster_type(cluster) == "ORIGINAL_DST":
        # istiod writes it for a target port of an entry with resolution NONE.
        port = cluster.get("original_dst_lb_config", {}).get("upstream_port_override")
        return (host_port(dialed, int(port)),) if port else None
    service_name = cluster.get("eds_cluster_config", {}).get("service_name") or name
    assignment = config.endpoints.get(name) or config.endpoints.get(str(service_name))
    if assignment is None:
        assignment = cluster.get("load_assignment", {})
    listed = [each for locality in assignment.get("endpoints", ()) for each in locality.get("lb_endpoints", ())]
    usable = [each for each in listed if each.get("health_status") not in _UNUSABLE]
    if not usable and _panics(cluster):
        usable = listed
    return tuple(host_port(*address_of(each.get("endpoint", {}))) for each in usable)


def _panics(cluster: Json) -> bool:
    """Whether unhealthy endpoints are used if there are no others: by default below 50 %."""
    threshold = cluster.get("common_lb_config", {}).get("healthy_panic_threshold")
    return threshold is None or float(threshold.get("value", 0)) > 0


def _tls(cluster: Json) -> Json | None:
    """The TLS that the sidecar originates to a cluster's endpoints; None for plain text.

    A cluster with matches chooses by the endpoint's metadata: istiod writes one for endpoints that speak mutual TLS,
    and a second one without conditions for all others.
    """
    others = (
        each.get("transport_socket") for each in cluster.get("transport_socket_matches", ()) if not each.get("match")
    )
    for socket in filter(None, (cluster.get("transport_socket"), *others)):
        if str(socket.get("name", "")).rpartition(".")[2] == "tls":
            return dict(socket.get("typed_config", {}))
    return None


def _speaks_http2(cluster: Json) -> bool:
    options = cluster.get("typed_extension_protocol_options", {}).get(_HTTP_OPTIONS, {})
    return "http2_protocol_options" in options.get("explicit_http_config", {})
