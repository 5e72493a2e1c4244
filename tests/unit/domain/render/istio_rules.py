"""What Istio's CRDs and webhook require of rendered objects: the CRDs' own schemas, and the rules beyond them,
implemented a second time. Each check raises AssertionError."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from egress_server.domain.render.policies import SERVICE_CIDRS
from tests.support.paths import ROOT

Part = Mapping[str, Any]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
OBJECT_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_PORT_NAME = re.compile(LABEL.pattern, re.I)
_DURATION = re.compile(r"\d+(\.\d{1,3})?s")
_INT32 = 2**31 - 1
_RETRY_BUDGET = {"attempts", "perTryTimeout", "retryOn", "backoff", "retryRemoteLocalities", "retryIgnorePreviousHosts"}


def _strict(schema: Any) -> Any:
    """A CRD's schema in which an unknown field is an error, because the API server would silently drop it."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    return strict


_SCHEMAS = json.loads((ROOT / "tests/data/istio/schemas.json").read_text())
_VALIDATORS = {
    kind: Draft202012Validator({"properties": {"spec": _strict(schema["properties"]["spec"])}})
    for kind, schema in _SCHEMAS.items()
}


def check(obj: Part) -> None:
    """Raises AssertionError if Istio or Kubernetes would reject the object."""
    assert OBJECT_NAME.fullmatch(obj["metadata"]["name"])
    assert LABEL.fullmatch(obj["metadata"]["namespace"])
    if validator := _VALIDATORS.get(obj["kind"]):
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(obj)]
        assert not errors, errors
    _CHECKS[obj["kind"]](obj["spec"])


def _exports(spec: Part) -> None:
    exports = spec.get("exportTo", [])
    assert len(set(exports)) == len(exports)
    assert exports == ["*"] or "*" not in exports
    assert all(to in {"*", "."} or LABEL.fullmatch(to) for to in exports)


def _entry_exports(spec: Part) -> None:
    if spec.get("exportTo") != ["~"]:
        _exports(spec)


def _service_entry(spec: Part) -> None:
    ports, endpoints, resolution = spec["ports"], spec.get("endpoints", []), spec["resolution"]
    assert not ("workloadSelector" in spec and (endpoints or resolution in {"NONE", "DYNAMIC_DNS"}))
    assert "UDP" not in {port.get("protocol") for port in ports}
    assert 1 <= len(spec["hosts"]) <= 256
    assert "*" not in spec["hosts"]
    assert len({port["number"] for port in ports}) == len({port["name"] for port in ports}) == len(ports)
    assert all(_is_port(port["number"]) and _is_port(port.get("targetPort", 1)) for port in ports)
    assert all(_PORT_NAME.fullmatch(port["name"]) for port in ports)
    assert all(len(name) < 63 for endpoint in endpoints for name in endpoint.get("ports", {}))
    assert not (resolution == "NONE" and endpoints)
    assert not (resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1)
    if any("/" in address for address in spec.get("addresses", [])):
        assert resolution in {"NONE", "STATIC"}
    if resolution in {"DNS", "DNS_ROUND_ROBIN"} and not endpoints:
        assert not any(host.startswith("*") for host in spec["hosts"])
    if resolution == "DYNAMIC_DNS":
        assert {port.get("protocol") for port in ports} <= {"HTTP", "HTTP2", "GRPC", "TLS"}
    if resolution != "NONE" and len(spec["hosts"]) > 1:
        assert {port.get("protocol") for port in ports} <= {"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS"}
    _entry_exports(spec)


def _sidecar(spec: Part) -> None:
    assert spec["outboundTrafficPolicy"]["mode"] in {"ALLOW_ANY", "REGISTRY_ONLY"}
    assert spec.keys() <= {"outboundTrafficPolicy", "workloadSelector"}


def _virtual_service(spec: Part) -> None:
    assert spec.keys() <= {"hosts", "http", "exportTo"}
    assert spec["hosts"]
    assert "*" not in spec["hosts"]
    names = [route["name"] for route in spec["http"]]
    assert len(set(names)) == len(names)
    assert "match" not in spec["http"][-1]
    for route in spec["http"]:
        _http_route(route)
    _exports(spec)


def _http_route(route: Part) -> None:
    assert route.keys() <= {"name", "match", "fault", "route", "timeout", "retries", "rewrite", "headers"}
    assert route.get("rewrite", {"authority": "x"})["authority"]
    assert route.get("headers", {}).keys() <= {"request", "response"}
    for operations in route.get("headers", {}).values():
        _header_operations(operations)
    for match in route.get("match", []):
        _match(match)
    _destinations(route["route"])
    if "timeout" in route:
        _duration(route["timeout"])
    if "retries" in route:
        _retries(route["retries"])
    if "fault" in route:
        _fault(route["fault"])


def _match(match: Part) -> None:
    assert match.keys() <= {"uri", "method", "authority", "headers", "port", "sourceLabels", "sourceNamespace"}
    for name in ("uri", "method", "authority"):
        condition = match.get(name, {"exact": "x"})
        assert len(condition) == 1
        assert all(condition.values())
    assert match
    assert _is_port(match.get("port", 1))
    for name, condition in match.get("headers", {}).items():
        assert name not in {"uri", "scheme", "method", "authority"}
        assert len(condition) <= 1
        assert condition.keys() <= {"exact", "prefix", "regex"}
        assert all(condition.values())


def _header_operations(operations: Part) -> None:
    assert operations
    assert operations.keys() <= {"set", "add", "remove"}
    names = [*operations.get("set", {}), *operations.get("add", {}), *operations.get("remove", [])]
    assert not {"", "host"} & set(names)
    assert not any(name.startswith(":") for name in names)
    values = [*operations.get("set", {}).values(), *operations.get("add", {}).values()]
    assert all("%" not in value.replace("%%", "") for value in values)


def _destinations(destinations: list[Part]) -> None:
    weights = [destination.get("weight", 0) for destination in destinations]
    assert len(destinations) == 1 or sum(weights) == 100
    assert all(0 <= weight <= 100 for weight in weights)
    for destination in destinations:
        assert destination["destination"]["host"] != "*"
        assert _is_port(destination["destination"].get("port", {"number": 1})["number"])


def _retries(retries: Part) -> None:
    assert retries.keys() <= _RETRY_BUDGET
    assert 0 <= retries["attempts"] <= _INT32
    assert retries["attempts"] or retries.keys() == {"attempts"}
    if "perTryTimeout" in retries:
        _duration(retries["perTryTimeout"])
    if "backoff" in retries:
        _duration(retries["backoff"])


def _fault(fault: Part) -> None:
    assert fault
    assert fault.keys() <= {"delay", "abort"}
    for part in fault.values():
        assert 0.0001 <= part["percentage"]["value"] <= 100
    if "delay" in fault:
        assert fault["delay"].keys() == {"percentage", "fixedDelay"}
        _duration(fault["delay"]["fixedDelay"])
    if "abort" in fault:
        assert len(fault["abort"].keys() & {"httpStatus", "grpcStatus"}) == 1
        assert 200 <= fault["abort"].get("httpStatus", 200) <= 599


def _destination_rule(spec: Part) -> None:
    assert spec.keys() <= {"host", "trafficPolicy", "exportTo", "workloadSelector"}
    if "workloadSelector" in spec:
        assert spec["workloadSelector"]["matchLabels"]
        assert spec["exportTo"] == ["."]
    policy = spec.get("trafficPolicy", {})
    _traffic_policy({name: part for name, part in policy.items() if name != "portLevelSettings"})
    for setting in policy.get("portLevelSettings", []):
        assert _is_port(setting["port"]["number"])
        _tls(setting["tls"], selects="workloadSelector" in spec)
        _traffic_policy({name: part for name, part in setting.items() if name not in {"port", "tls"}})
    _exports(spec)


def _tls(tls: Part, *, selects: bool) -> None:
    """Istio's ValidateTLS."""
    files = tls.keys() & {"clientCertificate", "privateKey", "caCertificates"}
    assert tls.keys() <= {"mode", "sni", "subjectAltNames", "insecureSkipVerify", "credentialName"} | files
    if "credentialName" in tls:
        assert not files
        assert selects
    elif tls["mode"] == "MUTUAL":
        assert files >= {"clientCertificate", "privateKey"}
    if "insecureSkipVerify" in tls:
        assert not tls.keys() & {"caCertificates", "subjectAltNames"}
        assert tls["mode"] == "MUTUAL" or "credentialName" not in tls


def _traffic_policy(policy: Part) -> None:
    assert policy.keys() <= {"connectionPool", "outlierDetection", "loadBalancer"}
    if "connectionPool" in policy:
        pool = policy["connectionPool"]
        assert pool
        assert pool.keys() <= {"tcp", "http"}
        assert all(pool.values())
        tcp = {name: value for name, value in pool.get("tcp", {}).items() if name != "tcpKeepalive"}
        if tcp.get("idleTimeout") == "0s":
            del tcp["idleTimeout"]
        http = {name: value for name, value in pool.get("http", {}).items() if name != "h2UpgradePolicy"}
        for part in (tcp, http, pool.get("tcp", {}).get("tcpKeepalive", {})):
            durations = {"connectTimeout", "idleTimeout", "maxConnectionDuration", "time", "interval"}
            _numbers_and_durations(part, durations)
    outliers = policy.get("outlierDetection", {})
    assert "consecutiveLocalOriginFailures" not in outliers or outliers["splitExternalLocalOriginErrors"]
    _numbers_and_durations(outliers, {"interval", "baseEjectionTime"})
    assert 0 <= outliers.get("maxEjectionPercent", 0) <= 100
    assert len(policy.get("loadBalancer", {"simple": ""})) == 1


def _numbers_and_durations(part: Part, durations: set[str]) -> None:
    for name, value in part.items():
        if name in durations:
            _duration(value)
        else:
            assert 0 <= value <= _INT32


def _duration(text: str) -> None:
    """Whole milliseconds, and at least one."""
    assert _DURATION.fullmatch(text)
    assert float(text[:-1]) >= 0.001


def _interception(spec: Part) -> None:
    """The injector passes these values as arguments to its init container."""
    for name in ("includeIPRanges", "excludeIPRanges"):
        ranges = spec[name].replace(SERVICE_CIDRS, "10.96.0.0/12")  # as a cluster's target does
        assert not re.search(r"[^0-9a-f:./,]", ranges) or ranges == "*"
    for name in ("includeOutboundPorts", "excludeOutboundPorts"):
        assert all(_is_port(int(port)) for port in spec[name].split(",") if port)


def _is_port(number: int) -> bool:
    return 1 <= number <= 65535


_CHECKS: dict[str, Callable[[Part], None]] = {
    "ServiceEntry": _service_entry,
    "Sidecar": _sidecar,
    "VirtualService": _virtual_service,
    "DestinationRule": _destination_rule,
    "Interception": _interception,
}
