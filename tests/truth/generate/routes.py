"""Foreign VirtualServices."""

from collections.abc import Callable
from typing import Any

from tests.truth.cluster.cluster import NAMESPACES
from tests.truth.cluster.etcd import Object
from tests.truth.generate.draw import HOSTS, LABELS, PORTS, SERVICES, SUBSETS, Draw, present
from tests.truth.world import Foreign

PATHS = ("/", "/a", "/a/b", "/health", "/A")
METHODS = ("GET", "POST", "HEAD")
HEADERS: tuple[dict[str, str], ...] = ({}, {"x-user": "alice"}, {"x-user": "bob", "x-canary": "yes"}, {"x-canary": ""})


def virtual_service(draw: Draw) -> list[Foreign]:
    """A VirtualService, with the one that it delegates to."""
    namespace = draw.namespace()
    hosts = list(dict.fromkeys(_host(draw) for _ in range(draw.one((1, 1, 1, 2)))))
    extra: list[Foreign] = []
    spec = present(hosts=hosts, exportTo=draw.export_to(hidden=False), gateways=_gateways(draw))
    kind = draw.one(("http", "http", "http", "http", "tls", "tls", "tcp", "both"))
    if kind in ("http", "both"):
        spec["http"] = [_http(draw, hosts, last=False) for _ in range(draw.count(0, 2))]
        if draw.chance(0.75) or not spec["http"]:
            spec["http"].append(_http(draw, hosts, last=True))
        if draw.chance(0.12) and not any(host.startswith("*") for host in hosts):
            extra = _delegate(draw, spec, namespace)
    if kind in ("tls", "both"):
        spec["tls"] = [_tls(draw, hosts) for _ in range(draw.count(1, 2))]
    if kind == "tcp":
        spec["tcp"] = [_tcp(draw, hosts) for _ in range(draw.count(1, 2))]
    return [*extra, draw.foreign("VirtualService", namespace, spec)]


def _host(draw: Draw) -> str:
    if draw.chance(0.06):
        return draw.one(SERVICES)
    if draw.chance(0.03):
        return "*"
    return draw.host()


def _gateways(draw: Draw) -> list[str]:
    return draw.one(([], [], [], [], ["mesh"], ["edge"], ["mesh", "edge"]))


def _http(draw: Draw, hosts: list[str], *, last: bool) -> Object:
    rule: Object = {}
    if not last or draw.chance(0.1):
        rule["match"] = [_match(draw) for _ in range(draw.one((1, 1, 2)))]
    what = draw.one(("route", "route", "route", "route", "route", "redirect", "directResponse"))
    if what == "redirect":
        return {**rule, "redirect": {"uri": "/elsewhere", "redirectCode": draw.one((301, 302))}}
    if what == "directResponse":
        return {**rule, "directResponse": {"status": draw.one((200, 418, 503))}}
    rule["route"] = _targets(draw, hosts)
    if draw.chance(0.15):
        rule["fault"] = _fault(draw)
    if draw.chance(0.1):
        rule["timeout"] = "5s"
    return rule


def _fault(draw: Draw) -> Object:
    percentage = {"value": draw.one((100, 100, 100, 50, 0))}
    abort = {"httpStatus": draw.one((418, 503)), "percentage": percentage}
    delay = {"fixedDelay": "0.200s", "percentage": percentage}
    return draw.one(({"abort": abort}, {"abort": abort}, {"delay": delay}, {"abort": abort, "delay": delay}))


def _match(draw: Draw) -> Object:
    found: Object = {}
    for name, (probability, condition) in _CONDITIONS.items():
        if draw.chance(probability):
            found[name] = condition(draw)
    if "uri" in found and "regex" not in found["uri"] and draw.chance(0.2):
        found["ignoreUriCase"] = True
    return found or {"uri": {"prefix": "/a"}}


_URIS = ({"exact": "/a"}, {"prefix": "/a"}, {"regex": "/a.*"}, {"prefix": "/"})
_USERS: tuple[Object, ...] = ({"exact": "alice"}, {"prefix": "b"}, {"regex": "al.*"}, {})
_AUTHORITIES = ({"prefix": "www"}, {"regex": ".*example.*"})
_CONDITIONS: dict[str, tuple[float, Callable[[Draw], Any]]] = {
    "uri": (0.35, lambda draw: dict(draw.one(_URIS))),
    "headers": (0.2, lambda draw: {"x-user": draw.one(_USERS)}),
    "withoutHeaders": (0.1, lambda draw: {"x-canary": {"exact": "yes"} if draw.chance(0.5) else {}}),
    "method": (0.15, lambda draw: {"exact": draw.one(METHODS)}),
    "port": (0.2, lambda draw: draw.one(PORTS)),
    "sourceLabels": (0.15, lambda draw: dict(draw.one(LABELS))),
    "sourceNamespace": (0.1, lambda draw: draw.one(NAMESPACES)),
    "authority": (
        0.1,
        lambda draw: draw.one(({"exact": draw.one(HOSTS)}, {"prefix": "www"}, {"regex": ".*example.*"})),
    ),
    "queryParams": (0.07, lambda _: {"q": {"exact": "1"}}),
    "gateways": (0.07, lambda draw: draw.one((["mesh"], ["edge"]))),
    "scheme": (0.05, lambda draw: {"exact": draw.one(("http", "https"))}),
}


def _targets(draw: Draw, hosts: list[str]) -> list[Object]:
    targets = [_target(draw, hosts) for _ in range(draw.one((1, 1, 1, 2)))]
    if len(targets) == 1:
        return targets
    first = draw.one((100, 70, 0))
    return [{**target, "weight": weight} for target, weight in zip(targets, (first, 100 - first), strict=True)]


def _target(draw: Draw, hosts: list[str]) -> Object:
    pool = [host for host in hosts if not host.startswith("*")]
    host = draw.one(pool) if pool and draw.chance(0.55) else draw.one((*HOSTS, "nowhere.example", "web", "cache.shop"))
    to: Object = {"host": host}
    if draw.chance(0.25):
        to["port"] = {"number": draw.one(PORTS)}
    if draw.chance(0.2):
        to["subset"] = draw.one(SUBSETS)
    return {"destination": to}


def _connection(draw: Draw) -> Object:
    found: Object = {}
    if draw.chance(0.4):
        found["port"] = draw.one(PORTS)
    if draw.chance(0.1):
        found["sourceLabels"] = dict(draw.one(LABELS))
    if draw.chance(0.08):
        found["sourceNamespace"] = draw.one(NAMESPACES)
    if draw.chance(0.15):
        found["destinationSubnets"] = draw.one((["203.0.113.0/24"], ["198.51.100.10"], ["10.0.0.0/8"]))
    if draw.chance(0.08):
        found["gateways"] = draw.one((["mesh"], ["edge"]))
    return found


def _tls(draw: Draw, hosts: list[str]) -> Object:
    names = [_server_name(draw, hosts) for _ in range(draw.one((1, 1, 2)))]
    match: list[Any] = [{**_connection(draw), "sniHosts": list(dict.fromkeys(names))}]
    return {"match": match, "route": _targets(draw, hosts)}


def _server_name(draw: Draw, hosts: list[str]) -> str:
    host = draw.one(hosts)
    return f"sub{host[1:]}" if host.startswith("*.") and draw.chance(0.4) else host


def _tcp(draw: Draw, hosts: list[str]) -> Object:
    match = [_connection(draw)] if draw.chance(0.6) else []
    return present(match=[each for each in match if each], route=_targets(draw, hosts))


def _delegate(draw: Draw, spec: Object, namespace: str) -> list[Foreign]:
    """Hands requests to a further VirtualService, which may not exist."""
    its = draw.namespace(root=0)
    inner = {"http": [_http(draw, spec["hosts"], last=False), _http(draw, spec["hosts"], last=True)]}
    found = draw.foreign("VirtualService", its, inner | present(exportTo=draw.export_to(hidden=False)))
    to = {"name": found.obj["metadata"]["name"], "namespace": its}
    if its == namespace and draw.chance(0.5):
        del to["namespace"]
    outer: Object = {"delegate": to}
    if draw.chance(0.4):
        outer["match"] = [{"uri": {"prefix": "/a"}}]
    spec["http"].insert(0, outer)
    if draw.chance(0.15):
        to["name"] = "missing"
    return [found]
