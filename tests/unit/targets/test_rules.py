"""Which VirtualService and DestinationRule is effective for a host, and the result of their fields."""

from typing import Any

import pytest

from tests.unit.targets.manifests import cluster, compiled, entry, names, port, routes, routing, rule

WEB = [port(80, "HTTP")]


def named(name: str, *matches: dict[str, Any]) -> dict[str, Any]:
    """A route with matches, one of which must hold."""
    return {"name": name, **({"match": list(matches)} if matches else {})}


def test_oldest_of_the_most_specific_owns_a_host() -> None:
    """A host's own VirtualService beats one for a longer wildcard, which beats one for a shorter; of equals the oldest
    wins."""
    short, long = routing("*.com", named("short")), routing("*.example.com", named("long"))
    old = routing("a.example.com", named("old"), namespace="other")
    new = routing("a.example.com", named("new"))
    a, b = entry("a", ports=WEB), entry("b", ports=WEB, hosts=["b.com"])
    files = compiled(a, b, short, long, old, new)
    assert names(files, "a.example.com") == ["old"]
    assert names(files, "b.com") == ["short"]
    assert names(compiled(a, short, long), "a.example.com") == ["long"]


def test_order_of_visibility() -> None:
    """A private VirtualService of our namespace beats one exported to us by name, which beats an older public one."""
    web = entry("a", ports=WEB)
    wide = routing("a.example.com", named("wide"))
    by_name = routing("a.example.com", named("named"), namespace="other", exportTo=["default"])
    own = routing("a.example.com", named("own"), exportTo=["."])
    assert names(compiled(web, wide, by_name, own), "a.example.com") == ["own"]
    assert names(compiled(web, wide, by_name), "a.example.com") == ["named"]


@pytest.mark.parametrize(
    "other", [{"resolution": "STATIC", "endpoints": [{"address": "203.0.113.40"}]}, {"exportTo": ["default"]}]
)
def test_ports_of_entries_that_do_not_merge(other: dict[str, Any]) -> None:
    """They have routes, but those lead to clusters that don't exist, as in a mesh."""
    second = entry("b", ports=[port(8080, "HTTP")], hosts=["a.example.com"], **other)
    files = compiled(entry("a", ports=WEB, exportTo=["."]), {**second, "spec": {"exportTo": ["."], **second["spec"]}})
    assert names(files, "a.example.com", 8080) == ["default"]
    built = {each["name"] for each in files.clusters.resources}
    assert "outbound|80||a.example.com" in built
    assert "outbound|8080||a.example.com" not in built
    merging = entry("b", ports=[port(8080, "HTTP")], hosts=["a.example.com"])
    cluster(compiled(entry("a", ports=WEB), merging), "outbound|8080||a.example.com")


def test_target_port_of_the_dialled_address() -> None:
    """With resolution NONE the address stays, and the target port applies."""
    files = compiled(entry("a", ports=[{**port(80, "HTTP"), "targetPort": 443}], resolution="NONE"))
    found = cluster(files, "outbound|80||a.example.com")
    assert found["original_dst_lb_config"] == {"upstream_port_override": 443}


def test_what_is_not_exported_to_us_is_ignored() -> None:
    """A private VirtualService or DestinationRule of another namespace is ignored."""
    a = entry("a", ports=WEB)
    for export, seen in ((["."], "default"), (["other"], "default"), (["default"], "x"), (["*"], "x")):
        files = compiled(a, routing("a.example.com", named("x"), namespace="other", exportTo=export))
        assert names(files, "a.example.com") == [seen]
    private = rule("a.example.com", "istio-system", export_to=(".",), connectionPool={"tcp": {"connectTimeout": "1s"}})
    assert cluster(compiled(a, private), "outbound|80||a.example.com")["connect_timeout"] == "10s"


def test_nothing_follows_a_route_for_all() -> None:
    """Routes after one that matches every request can't be reached and are left out."""
    x: dict[str, Any] = {"headers": {"x": {}}}
    service = routing("a.example.com", named("one", x), named("two", {"port": 80}, x), named("three"))
    assert names(compiled(entry("a", ports=WEB), service), "a.example.com") == ["one", "two"]


def test_port_that_no_route_is_for() -> None:
    """A port that no route matches is served as if there were no VirtualService."""
    service = routing("a.example.com", named("alt", {"port": 8080}))
    files = compiled(entry("a", ports=[*WEB, port(8080, "HTTP")]), service)
    assert names(files, "a.example.com") == ["default"]
    assert names(files, "a.example.com", 8080) == ["alt"]


def test_tls_port_has_no_routes() -> None:
    """A VirtualService changes nothing on a port whose requests can't be seen."""
    a = entry("a", ports=[port(443, "HTTPS"), port(80, "TLS")])
    files = compiled(a, routing("a.example.com", named("x")))
    assert files == compiled(a)


def test_hosts_registered_on_other_ports_are_routed_on_port_80() -> None:
    """There it is an unregistered host."""
    files = compiled(entry("a", ports=[port(443, "HTTPS")]), routing("a.example.com", named("x")))
    assert names(files, "a.example.com") == ["x"]


def test_unregistered_hosts() -> None:
    """They are routed on port 80 only, even if a registered wildcard covers them."""
    wildcard = entry("w", hosts=["*.example.com"], resolution="NONE", ports=[*WEB, port(8080, "HTTP")])
    files = compiled(wildcard, routing("a.example.com", named("x")), routing("a.example.com", named("late")))
    (route,) = routes(files, "a.example.com")
    assert (route["name"], route["route"]["cluster"]) == ("x", "outbound|80||a.example.com")
    assert names(files, "a.example.com", 8080) == []
    assert names(files, "*.example.com") == ["default"]


@pytest.mark.parametrize(
    ("destination", "wanted"),
    [
        ({"host": "a.example.com"}, "outbound|80||a.example.com"),
        ({"host": "one.example.com"}, "outbound|80||one.example.com"),
        ({"host": "one.example.com", "port": {"number": 5}}, "outbound|5||one.example.com"),
        ({"host": "unknown.example.com"}, "outbound|80||unknown.example.com"),
    ],
)
def test_port_of_a_destination(destination: dict[str, Any], wanted: str) -> None:
    """A destination without a port means the request's port, even if its service only has another."""
    service = routing("a.example.com", {"route": [{"destination": destination}]})
    a = entry("a", ports=[*WEB, port(8080, "HTTP")])
    (route,) = routes(compiled(a, entry("one", ports=[port(9000, "HTTP")]), service), "a.example.com")
    assert route["route"]["cluster"] == wanted


def test_effective_policy() -> None:
    """A DestinationRule in the workload's namespace beats one in the service's, which beats the root namespace's,
    however much more specific."""

    def timeout(namespace: str, host: str, seconds: str) -> dict[str, Any]:
        return rule(host, namespace, connectionPool={"tcp": {"connectTimeout": seconds}})

    a = entry("a", "other", ports=WEB)
    rules = [
        timeout("istio-system", "a.example.com", "1s"),
        timeout("other", "a.example.com", "2s"),
        timeout("default", "*.example.com", "3s"),
        timeout("elsewhere", "a.example.com", "4s"),
    ]
    held = [cluster(compiled(a, *rules[:n]), "outbound|80||a.example.com")["connect_timeout"] for n in range(1, 5)]
    assert held == ["1s", "2s", "3s", "3s"]
