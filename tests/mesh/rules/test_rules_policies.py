"""Rules of outbound policies and interceptions (EGR03xx, EGR04xx) and of what others have (EGR07xx)."""

import json
from typing import Any

from tests.mesh.harness.cluster.istio_objects import (
    answering_filter,
    apply,
    delete,
    entry,
    service,
    sidecar,
    virtual_service,
)
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.coverage import covers
from tests.mesh.harness.run.run import eventually
from tests.mesh.harness.workload.curl import Answer
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.rules.test_rules_entries import banner, strict

HOST, AT = "a.example.com", "203.0.113.101"
HTTP = f"http://{HOST}/"


def blocked(curl: Workload, url: str = HTTP) -> None:
    """Wait for the 502 of REGISTRY_ONLY."""
    curl.until(lambda: curl.curl(url), lambda answer: answer.status == 502, "502")


def passes(curl: Workload, url: str = HTTP) -> None:
    """Wait for an answer of the service itself."""
    curl.until(lambda: curl.curl(url), lambda answer: answer.status == 301, "301")


def selecting(sidecar: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """The Sidecar for workloads with these labels."""
    return {**sidecar, "spec": {**sidecar["spec"], "workloadSelector": {"labels": labels}}}


@covers("EGR0301")
def test_of_two_sidecars_the_older_holds(mesh: Mesh, curl: Workload) -> None:
    """The other one does nothing, until the older is gone."""
    older, younger = sidecar("a", mode="REGISTRY_ONLY"), sidecar("b", mode="ALLOW_ANY")
    apply(mesh, younger, older)
    blocked(curl)
    delete(mesh, older)
    passes(curl)


@covers("EGR0310")
def test_of_two_sidecars_with_labels_the_older_holds(mesh: Mesh) -> None:
    """For a workload that both select, also if the younger one requires more labels."""
    both = {"app": "twofold", "tier": "web"}
    workload = mesh.workload("twofold", labels={"tier": "web"})
    older = selecting(sidecar("a", mode="REGISTRY_ONLY"), {"app": "twofold"})
    apply(mesh, older)
    blocked(workload)
    apply(mesh, selecting(sidecar("b", mode="ALLOW_ANY"), both), entry("z", "z.example.com", "80:HTTP", at=AT))
    workload.until(lambda: workload.curl("http://z.example.com/"), lambda answer: answer.routed, "a later entry")
    blocked(workload)
    delete(mesh, older)
    passes(workload)


@covers("EGR0302")
def test_registry_only_with_nothing_registered(mesh: Mesh, curl: Workload) -> None:
    """502 for HTTP, and no TLS."""
    passes(curl)
    strict(mesh)
    blocked(curl)
    assert curl.https(HOST).exit == 35


@covers("EGR0706")
def test_a_namespace_escapes_by_its_own_sidecar(mesh: Mesh, curl: Workload) -> None:
    """By one that allows any; by one without a mode only what MeshConfig says holds, not the root's Sidecar."""
    apply(mesh, sidecar("root", mode="REGISTRY_ONLY", namespace="istio-system"))
    blocked(curl)
    mute = sidecar("mute", "*/*")
    apply(mesh, mute)
    passes(curl)
    strict(mesh)
    blocked(curl)
    apply(mesh, sidecar("mute", "*/*", mode="ALLOW_ANY"))
    passes(curl)


@covers("EGR0602", "EGR0705")
def test_a_sidecar_hides_an_entry(mesh: Mesh, curl: Workload) -> None:
    """What is not among the egress hosts does not exist for the namespace."""
    apply(
        mesh, entry("a", HOST, namespace="shop", at=AT), sidecar("own", "./*", "istio-system/*", mode="REGISTRY_ONLY")
    )
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status != 301, "nothing")
    apply(mesh, sidecar("own", "./*", "istio-system/*", f"shop/{HOST}", mode="REGISTRY_ONLY"))
    passes(curl)
    apply(mesh, sidecar("own", "*/*", f"~shop/{HOST}", mode="REGISTRY_ONLY"))
    blocked(curl)


@covers("EGR0609")
def test_an_envoy_filter_changes_the_answer(mesh: Mesh, curl: Workload) -> None:
    """Whatever entries and routes say."""
    apply(mesh, entry("a", HOST, at=AT))
    passes(curl)
    apply(mesh, answering_filter("theirs", 418))
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the filter's answer")


@covers("EGR0703")
def test_a_service_makes_a_port_http(mesh: Mesh, curl: Workload) -> None:
    """An entry for TCP on the same port does not work; one with an address of its own does."""
    host = "db.example.com"
    mesh.world.name(host, AT)
    apply(mesh, *service("web", "http:3306"))
    curl.until(lambda: banner(curl, host, 3306), lambda answer: "hello" not in answer.body, "silence")
    apply(mesh, entry("z", host, "3306:TCP"))
    eventually(lambda: f"outbound|3306||{host}::{AT}" in curl.sandbox.admin("/clusters"), "the entry", 20)
    assert "hello" not in banner(curl, host, 3306).body
    apply(mesh, entry("z", host, "3306:TCP", addresses=(AT,)))
    curl.until(lambda: banner(curl, host, 3306), lambda answer: "hello" in answer.body, "its own listener")


@covers("EGR0701")
def test_a_service_comes_before_an_entry(mesh: Mesh, curl: Workload) -> None:
    """An entry for a Service's host in another namespace is not used, though it is older."""
    host = "web.shop.svc.cluster.local"
    apply(mesh, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}})
    apply(mesh, entry("a", host, "80:HTTP", namespace="lab", at="203.0.113.102"))
    url = f"http://{AT}/"
    by_name = ("-H", f"Host: {host}")
    served = "x-served-by"
    curl.until(lambda: curl.curl(url, *by_name), lambda a: a.headers.get(served) == "203.0.113.102:80", "the entry")
    apply(mesh, *service("web", "http:80", at=AT))
    curl.until(lambda: curl.curl(url, *by_name), lambda a: a.headers.get(served) == f"{AT}:80", "the Service")


@covers("EGR0401", "EGR0607", "EGR0706")
def test_what_is_excluded_escapes(mesh: Mesh) -> None:
    """With everything excluded, REGISTRY_ONLY and entries mean nothing."""
    strict(mesh)
    escaping = mesh.workload("escaping", annotations={_EXCLUDE: "0.0.0.0/0"})
    answer = escaping.curl(HTTP)
    assert (answer.status, answer.by_envoy) == (301, False)
    assert escaping.https(HOST).status == 200


@covers("EGR0402")
def test_forgotten_service_ranges(mesh: Mesh, curl: Workload) -> None:
    """A call to a Service goes past the sidecar: no route, no metric, no mutual TLS."""
    apply(mesh, *service("web", "http:80", headless=False, at=AT))
    address = mesh.get("service", "web", "-n", "shop")["spec"]["clusterIP"]
    curl.until(lambda: curl.curl(f"http://{address}/"), lambda answer: answer.routed, "the Service")
    forgetful = mesh.workload("forgetful", annotations={_INCLUDE: "203.0.113.0/24"})
    assert forgetful.curl(HTTP).by_envoy
    assert not forgetful.curl(f"http://{address}/", "--max-time", "2").by_envoy


@covers("EGR0404")
def test_policy_is_hollow_behind_include_ranges(mesh: Mesh, curl: Workload) -> None:
    """REGISTRY_ONLY, an entry with a fault and its routes do nothing where only the cluster's ranges are included, or
    the port is excluded; an exclude range of the metadata service changes nothing."""
    strict(mesh)
    abort = {"fault": {"abort": {"percentage": {"value": 100}, "httpStatus": 418}}}
    apply(mesh, entry("a", HOST, "80:HTTP", at=AT), virtual_service("a", HOST, abort))
    other = "b.example.com"
    unregistered = f"http://{other}/"
    curl.until(lambda: curl.curl(HTTP), lambda answer: answer.status == 418, "the fault")
    blocked(curl, unregistered)
    narrow = {_INCLUDE: "10.97.0.0/16"}
    for name, annotations in (("narrow", narrow), ("ported", {_EXCLUDE_PORTS: "80"})):
        hollow = mesh.workload(name, annotations=annotations)
        answers = (hollow.curl(HTTP), hollow.curl(unregistered))
        assert [(answer.status, answer.by_envoy) for answer in answers] == [(301, False)] * 2
    assert hollow.https(other).exit == 35
    careful = mesh.workload("careful", annotations={_EXCLUDE: "169.254.169.254/32"})
    assert careful.curl(HTTP).status == 418


@covers("EGR0709")
def test_interception_is_that_of_the_pods_birth(mesh: Mesh) -> None:
    """New values of the injector change nothing until a workload is restarted."""
    keeping = mesh.workload("keeping")
    assert keeping.curl(HTTP).by_envoy
    injector = mesh.get("configmap", "istio-sidecar-injector", "-n", "istio-system")
    values = json.loads(injector["data"]["values"])
    values["global"]["proxy"]["excludeIPRanges"] = "203.0.113.0/24"
    patch = json.dumps({"data": {"values": json.dumps(values)}})
    mesh.kubectl("patch", "configmap", "istio-sidecar-injector", "-n", "istio-system", "--type=merge", "-p", patch)
    later = mesh.workload("later")
    later.until(lambda: _reborn(later), lambda answer: not answer.by_envoy, "the new values")
    assert keeping.curl(HTTP).by_envoy
    keeping.restart()
    assert not keeping.curl(HTTP).by_envoy


_EXCLUDE = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
_EXCLUDE_PORTS = "traffic.sidecar.istio.io/excludeOutboundPorts"
_INCLUDE = "traffic.sidecar.istio.io/includeOutboundIPRanges"


def _reborn(workload: Workload) -> Answer:
    """istiod takes a moment to know the new values."""
    workload.restart()
    return workload.curl(HTTP)
