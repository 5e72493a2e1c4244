"""A VirtualService's routes for one port: matches, faults, timeouts, retries, weights.

This is the part of istiod that reads http routes. Conditions on the source are evaluated here, since the source is
always our workload; conditions on the request are left to Envoy. Behaviour as of istiod 1.31.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from egress_server.targets.local.xds.clusters import cluster_name
from egress_server.targets.local.xds.registry import Registry, Service
from egress_server.targets.local.xds.scoping import Manifest, namespace_of

Json = dict[str, Any]

_ANY_PATH: Json = {"prefix": "/"}
FAULT_FILTER = "envoy.filters.http.fault"
NO_TIMEOUT = "0s"
GRPC_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names, by code."""

_HTTP_STATUSES = frozenset(status.value for status in HTTPStatus)
_FAULT_TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_PER_PERCENT = 10_000
_RETRIES = 2
_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


def routes_of(virtual_service: Manifest, registry: Registry, port: int, service: Service | None) -> list[Json]:
    """The routes in the order in which they are tried, up to the first that matches every request; none if the
    VirtualService does not apply to `port` for our workload. `service` is the destination of the requests, if
    registered."""
    built: list[Json] = []
    for http in virtual_service["spec"]["http"]:
        matches: Sequence[Manifest] = http.get("match") or ({},)
        for match in matches:
            if _applies(match, registry, port):
                built.append(_route(virtual_service, http, match, _action(http, port, service), port))
                if _matches_all(match):
                    return built
    return built


def _matches_all(match: Manifest) -> bool:
    """Whether later routes are never tried."""
    return not match.get("headers") and not match.keys() & {"method", "authority"} and _path(match) == _ANY_PATH


def retry_policy(retries: Manifest | None) -> Json:
    """Envoy's retry policy; Istio's default if none is given, empty if retries are disabled."""
    settings = retries or {}
    attempts = int(settings.get("attempts", 0)) if retries is not None else _RETRIES
    if attempts <= 0:
        return {}
    policy: Json = {
        "num_retries": attempts,
        "retry_on": _RETRY_ON,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 5,
    }
    if settings.get("retryOn"):
        policy |= _retry_on(settings["retryOn"])
    if "perTryTimeout" in settings:
        policy["per_try_timeout"] = settings["perTryTimeout"]
    if "backoff" in settings:
        policy["retry_back_off"] = {"base_interval": settings["backoff"]}
    if settings.get("retryIgnorePreviousHosts") is False:
        del policy["retry_host_predicate"]
    return {"retry_policy": policy}


def _applies(match: Manifest, registry: Registry, port: int) -> bool:
    """Whether the conditions that don't depend on the request hold."""
    workload = registry.workload
    return (
        match.get("port", port) == port
        and match.get("sourceLabels", {}).items() <= workload.labels.items()
        and match.get("sourceNamespace", "") in ("", workload.namespace)
    )


def _route(virtual_service: Manifest, http: Manifest, match: Manifest, action: Json, port: int) -> Json:
    name, namespace = virtual_service["metadata"]["name"], namespace_of(virtual_service)
    owner = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{name}"
    # Istio names the operation of a route after its only destination, else after its VirtualService.
    _, number, _, host = action["cluster"].split("|") if "cluster" in action else ("", str(port), "", name)
    route: Json = {
        "match": {**_path(match), **_headers(match)},
        "metadata": {"filter_metadata": {"istio": {"config": owner}}},
        "decorator": {"operation": f"{host}:{number}/*"},
        "route": action,
        **_header_changes(http.get("headers", {})),
    }
    if "name" in http:
        route["name"] = http["name"]
    if http.get("fault"):
        route["typed_per_filter_config"] = {FAULT_FILTER: {"@type": _FAULT_TYPE, **_fault(http["fault"])}}
    return route


def _action(http: Manifest, port: int, service: Service | None) -> Json:
    destinations = [
        (_cluster(item["destination"], port, service), int(item.get("weight", 0))) for item in http["route"]
    ]
    if len(destinations) == 1:
        to: Json = {"cluster": destinations[0][0]}
    else:
        weighted = [{"name": name, "weight": weight} for name, weight in destinations if weight]
        to = {"weighted_clusters": {"clusters": weighted}}
    if authority := http.get("rewrite", {}).get("authority"):
        to["host_rewrite_literal"] = authority
    return {**to, "timeout": http.get("timeout", NO_TIMEOUT), **retry_policy(http.get("retries"))}


def _cluster(destination: Manifest, port: int, service: Service | None) -> str:
    """The destination's cluster, whether it exists or not: Envoy responds with 503 for an unknown cluster."""
    host = destination["host"].lower()
    if service is not None and host == service.wildcard:
        host = service.host
    return cluster_name(host, int(destination["port"]["number"]) if "port" in destination else port)


def _path(match: Manifest) -> Json:
    """The condition on the path, without the query."""
    if "uri" not in match:
        return _ANY_PATH
    ((how, value),) = match["uri"].items()
    return {"safe_regex": {"regex": value}} if how == "regex" else {"path" if how == "exact" else "prefix": value}


def _headers(match: Manifest) -> Json:
    """Conditions on headers; method and authority are headers to Envoy."""
    headers = match.get("headers") or {}
    conditions = [_header(name, headers[name]) for name in sorted(headers)]
    conditions += [_header(f":{name}", match[name]) for name in ("method", "authority") if name in match]
    return {"headers": conditions} if conditions else {}


def _header_changes(changes: Manifest) -> Json:
    """The fields of a route that change headers."""
    fields: Json = {}
    for side, operations in changes.items():
        added = [_added(name, value, "OVERWRITE_IF_EXISTS_OR_ADD") for name, value in operations.get("set", {}).items()]
        added += [_added(name, value, "APPEND_IF_EXISTS_OR_ADD") for name, value in operations.get("add", {}).items()]
        if added:
            fields[f"{side}_headers_to_add"] = added
        if removed := operations.get("remove"):
            fields[f"{side}_headers_to_remove"] = removed
    return fields


def _added(name: str, value: str, action: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": action}


def _header(name: str, condition: Manifest) -> Json:
    if not condition or condition.get("regex") == "*":
        return {"name": name, "present_match": True}
    ((how, value),) = condition.items()
    matcher = {"safe_regex": {"regex": value}} if how == "regex" else {how: value}
    return {"name": name, "string_match": matcher}


def _fault(fault: Manifest) -> Json:
    """Delay and abort, with independent probabilities."""
    built: Json = {}
    if delay := fault.get("delay"):
        built["delay"] = {"fixed_delay": delay["fixedDelay"], "percentage": _percentage(delay)}
    if abort := fault.get("abort"):
        status = (
            {"http_status": int(abort["httpStatus"])}
            if "httpStatus" in abort
            else {"grpc_status": GRPC_STATUSES.index(abort["grpcStatus"])}
        )
        built["abort"] = {**status, "percentage": _percentage(abort)}
    return built


def _percentage(part: Manifest) -> Json:
    """A missing percentage means never, as in Istio."""
    value = float(part.get("percentage", {}).get("value", 0))
    return {"numerator": int(value * _PER_PERCENT), "denominator": "MILLION"}


def _retry_on(text: str) -> Json:
    """Status codes may be listed among the conditions."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    codes = [int(part) for part in parts if _is_status(part)]
    conditions = [part for part in parts if not _is_status(part)]
    if codes and "retriable-status-codes" not in conditions:
        conditions.append("retriable-status-codes")
    return {"retry_on": ",".join(conditions), **({"retriable_status_codes": codes} if codes else {})}


def _is_status(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) in _HTTP_STATUSES
