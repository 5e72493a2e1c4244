"""What a DestinationRule contributes to a cluster: limits, outlier detection, TLS origination."""

import ssl
from pathlib import Path
from typing import Any

from egress_server.targets.local.xds.registry import Port, Registry, Service
from egress_server.targets.local.xds.scoping import Manifest, namespace_of

Json = dict[str, Any]

_CONNECT_TIMEOUT = "10s"  # Istio's default
_NO_LIMIT = 0xFFFF_FFFF
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS = "envoy.transport_sockets.tls"
_TLS_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def policy_for(registry: Registry, service: Service, port: Port) -> tuple[Json, Manifest]:
    """The metadata that names the DestinationRule of a service's port, and its policy for this port."""
    rule = registry.policy_owner(service)
    if rule is None:
        return {}, {}
    name = f"/apis/networking.istio.io/v1/namespaces/{namespace_of(rule)}/destination-rule/{rule['metadata']['name']}"
    policy: Manifest = rule["spec"].get("trafficPolicy", {})
    own = (part for part in policy.get("portLevelSettings", ()) if part["port"]["number"] == port.number)
    return {"config": name}, next(own, policy)


def limits(policy: Manifest) -> Json:
    """Of connections, requests and time; Istio's default is none."""
    pool = policy.get("connectionPool", {})
    tcp, http = pool.get("tcp", {}), pool.get("http", {})
    thresholds = {
        "max_connections": tcp.get("maxConnections") or _NO_LIMIT,
        "max_pending_requests": http.get("http1MaxPendingRequests") or _NO_LIMIT,
        "max_requests": http.get("http2MaxRequests") or _NO_LIMIT,
        "max_retries": _NO_LIMIT,
    }
    return {
        "connect_timeout": tcp.get("connectTimeout", _CONNECT_TIMEOUT),
        "circuit_breakers": {"thresholds": [thresholds]},
    }


def outlier_detection(policy: Manifest) -> Json:
    """When an address is ejected. However few remain, an ejected address is not used before its time."""
    settings = policy.get("outlierDetection")
    if settings is None:
        return {}
    detection: Json = {"enforcing_success_rate": 0}
    if "consecutive5xxErrors" in settings:
        errors = int(settings["consecutive5xxErrors"])
        detection |= {"consecutive_5xx": errors, "enforcing_consecutive_5xx": 100 if errors else 0}
    for istio_name, envoy_name in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        if istio_name in settings:
            detection[envoy_name] = settings[istio_name]
    if settings.get("maxEjectionPercent"):
        detection["max_ejection_percent"] = int(settings["maxEjectionPercent"])
    return {"outlier_detection": detection, "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


def http_options(policy: Manifest, *, http2: bool) -> Json:
    """How a cluster speaks HTTP; empty if Envoy's defaults apply."""
    options: Json = {}
    if most := policy.get("connectionPool", {}).get("http", {}).get("maxRequestsPerConnection"):
        options["common_http_protocol_options"] = {"max_requests_per_connection": most}
    if upstream := _automatic_names(policy):
        options["upstream_http_protocol_options"] = upstream
    if not options and not http2:
        return {}
    explicit: Json = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return protocol_options({**options, "explicit_http_config": explicit})


def protocol_options(options: Json) -> Json:
    """The cluster's field that holds HTTP options."""
    typed = {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", **options}
    return {"typed_extension_protocol_options": {_HTTP_OPTIONS: typed}}


def transport_socket(policy: Manifest, *, http2: bool, trust: str | None) -> Json:
    """TLS to the service, if the policy originates it. `trust` is the path of the machine's CA certificates."""
    tls = policy.get("tls", {})
    if tls.get("mode", "DISABLE") == "DISABLE":
        return {}
    common: Json = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    }
    if not tls.get("insecureSkipVerify"):
        common["validation_context"] = {"trusted_ca": {"filename": trust}, **_expected_names(tls)}
    if http2:
        common["alpn_protocols"] = ["h2"]
    context = {"@type": _TLS_TYPE, "common_tls_context": common, **({"sni": tls["sni"]} if tls.get("sni") else {})}
    return {"transport_socket": {"name": _TLS, "typed_config": context}}


def needs_trust(policy: Manifest) -> bool:
    """Whether the policy needs the machine's CA certificates."""
    parts = (policy, *policy.get("portLevelSettings", ()))
    tls = [part.get("tls", {}) for part in parts]
    return any(each.get("mode", "DISABLE") != "DISABLE" and not each.get("insecureSkipVerify") for each in tls)


def _automatic_names(policy: Manifest) -> Json:
    """Without an SNI the request's host is used, and the certificate must be for it. With one, as in Istio, the
    certificate's name is only verified if `subjectAltNames` are given."""
    tls = policy.get("tls", {})
    if tls.get("mode", "DISABLE") == "DISABLE" or tls.get("sni"):
        return {}
    verified = not tls.get("insecureSkipVerify") and not tls.get("subjectAltNames")
    return {"auto_sni": True, **({"auto_san_validation": True} if verified else {})}


def _expected_names(tls: Manifest) -> Json:
    """Istio compares them with every type of name in the certificate."""
    names = tls.get("subjectAltNames", ())
    if not names:
        return {}
    kinds = ("DNS", "URI", "IP_ADDRESS")
    return {
        "match_typed_subject_alt_names": [
            {"san_type": kind, "matcher": {"exact": name}} for name in names for kind in kinds
        ]
    }


_COMMON_PATHS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_trust() -> str | None:
    """The absolute path of the file that SSL_CERT_FILE names, else of OpenSSL's own, else of the usual ones of
    distributions."""
    default = ssl.get_default_verify_paths().cafile
    paths = (*([default] if default else []), *_COMMON_PATHS)
    return next((str(Path(path).absolute()) for path in paths if Path(path).is_file()), None)
