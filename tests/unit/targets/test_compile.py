"""The xDS files that the objects compile to, compared with committed ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from egress_server.config.host_overrides import parse_host_override
from egress_server.targets.local.xds.compile import XdsFiles, compile_xds
from egress_server.targets.local.xds.unsupported import unsupported
from tests.golden.compare import assert_golden
from tests.support.paths import ROOT
from tests.unit.targets.manifests import (
    TRUST,
    WORKLOAD,
    compiled,
    entry,
    listener,
    policy,
    port,
    routing,
    rule,
    sidecar,
)

CASES = sorted(path.parent for path in (ROOT / "tests/golden/local").glob("*/objects.yaml"))


def blocks(files: XdsFiles) -> bool:
    """Whether unknown hosts are blocked."""
    hosts = files.routes["80"].resources[0]["virtual_hosts"]
    return bool(hosts[-1]["name"] == "block_all")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, update_golden: bool) -> None:
    """Each case compiles to its committed files, byte for byte."""
    objects = [item for item in yaml.safe_load_all((case / "objects.yaml").read_text()) if item]
    lines = (case / "resolve.txt").read_text().split() if (case / "resolve.txt").exists() else []
    resolve = [parse_host_override(line) for line in lines]
    files = compile_xds(objects, workload=WORKLOAD, resolve=resolve, trust=TRUST)
    made = {name: file.content for name, file in files.by_name().items()}
    assert_golden(case / "want", made, update=update_golden)


def test_version_follows_content() -> None:
    """The same objects give the same bytes and version; another policy changes the version of the files it affects."""
    before, again = compiled(entry("a")), compiled(entry("a"))
    after = compiled(entry("a"), sidecar("istio-system", policy("REGISTRY_ONLY")))
    assert before == again
    assert before.clusters.version == after.clusters.version
    assert before.listeners.version != after.listeners.version
    assert json.loads(after.listeners.content)["version_info"] == after.listeners.version


@pytest.mark.parametrize(
    ("sidecars", "blocked"),
    [
        ([], False),
        ([sidecar("istio-system", policy("REGISTRY_ONLY"))], True),
        ([sidecar("istio-system", {"outboundTrafficPolicy": {}})], True),
        ([sidecar("default", policy("REGISTRY_ONLY"))], True),
        ([sidecar("elsewhere", policy("REGISTRY_ONLY"))], False),
        ([sidecar("istio-system", policy("REGISTRY_ONLY")), sidecar("default", policy("ALLOW_ANY"))], False),
        ([sidecar("istio-system", policy("REGISTRY_ONLY")), sidecar("default", {})], False),
        ([sidecar("default", policy("ALLOW_ANY")), sidecar("default", policy("REGISTRY_ONLY", app="local"))], True),
        ([sidecar("default", policy("REGISTRY_ONLY", app="local")), sidecar("default", policy("ALLOW_ANY"))], True),
        ([sidecar("default", policy("REGISTRY_ONLY", app="other"))], False),
        ([sidecar("default", policy("REGISTRY_ONLY", app="local", more="x"))], False),
        ([sidecar("istio-system", policy("REGISTRY_ONLY", app="local"))], False),
        ([sidecar("default", policy("ALLOW_ANY")), sidecar("default", policy("REGISTRY_ONLY"))], False),
    ],
)
def test_policy_owner(sidecars: list[dict[str, Any]], blocked: bool) -> None:
    """A Sidecar that selects our labels is effective as a whole, then the namespace's own, then the root one's, then
    ALLOW_ANY; of equals the oldest. No mode is REGISTRY_ONLY."""
    assert blocks(compiled(*sidecars)) is blocked


def test_tcp_entry_without_addresses_takes_its_port() -> None:
    """A TCP entry without addresses gets every connection to its port; the older of two wins."""
    files = compiled(entry("old"), entry("new"))
    (proxy,) = listener(files, "0.0.0.0_8000")["default_filter_chain"]["filters"][1:]
    assert proxy["typed_config"]["cluster"] == "outbound|8000||old.example.com"


def test_protocols_share_a_port() -> None:
    """HTTP, TLS and TCP on one port each have a filter chain in one listener, whatever their age: by the first bytes,
    by server name, and for the rest."""
    kinds = {"a": "TCP", "b": "HTTP", "c": "TLS"}
    entries = [entry(name, ports=[port(8000, protocol)]) for name, protocol in kinds.items()]
    for order in (entries, entries[::-1]):
        files = compiled(*order)
        assert set(files.routes) == {"80", "8000"}
        (shared,) = [item for item in files.listeners.resources if item["name"] == "0.0.0.0_8000"]
        matches = [chain["filter_chain_match"] for chain in shared["filter_chains"]]
        assert [list(match)[-1] for match in matches] == ["application_protocols", "server_names"]
        assert [each["name"].rpartition(".")[2] for each in shared["listener_filters"]] == [
            "tls_inspector",
            "http_inspector",
        ]
        assert "outbound|8000||a.example.com" in str(shared["default_filter_chain"])


def test_a_single_address_belongs_to_one_entry() -> None:
    """Every connection to it goes to the oldest entry, TLS with any server name."""
    both: dict[str, Any] = {"addresses": ["198.51.100.7"], "ports": [port(443, "TLS")]}
    place = listener(compiled(entry("a", **both), entry("b", **both)), "198.51.100.7_443")
    assert "outbound|443||a.example.com" in str(place["default_filter_chain"])
    assert not place.keys() & {"filter_chains", "listener_filters"}


@pytest.mark.parametrize("other", ["HTTP", "TCP", "TLS"])
def test_mongo_shares_a_port_with_no_other_protocol(other: str) -> None:
    """Of MONGO and another protocol the older one is served; on 80 the mesh's own HTTP comes first."""
    mongo, second = entry("a", ports=[port(9000, "MONGO"), port(80, "MONGO")]), entry("b", ports=[port(9000, other)])
    for order, serves in (((mongo, second), "a.example.com"), ((second, mongo), "b.example.com")):
        files = compiled(*order)
        shared = str([item for item in files.listeners.resources if item["name"] == "0.0.0.0_9000"])
        told = shared + str(files.routes.get("9000"))
        assert f"outbound|9000||{serves}" in told
        assert told.count("outbound|9000||") == told.count(f"outbound|9000||{serves}")
        assert "outbound|80||a.example.com" not in str(files.listeners.resources)


def test_two_entries_of_one_address_do_not_collide() -> None:
    """Envoy rejects duplicates, so the older entry keeps the address."""
    both: dict[str, Any] = {"addresses": ["198.51.100.7", "10.0.0.0/8"]}
    files = compiled(entry("a", **both), entry("b", **both, ports=[port(80, "HTTP"), port(8000, "TCP")]))
    assert len(listener(files, "0.0.0.0_8000")["filter_chains"]) == 1
    again = compiled(*(entry(name, **both, ports=[port(80, "HTTP")]) for name in "ab"))
    domains = [d for host in again.routes["80"].resources[0]["virtual_hosts"] for d in host["domains"]]
    assert domains.count("198.51.100.7") == 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"kind": "Gateway", "metadata": {"name": "g"}}, "does not support Gateway"),
        (sidecar("default", {"egress": [{"hosts": ["*/*"]}]}), "does not support these Sidecar fields: egress$"),
        (entry("a", resolution="SOMEHOW"), "does not support resolution SOMEHOW"),
        (entry("a", ports=[port(53, "UDP")]), "does not support protocol UDP"),
        (entry("a", hosts=["*.example.com"]), "can't resolve the wildcard host"),
        (entry("a", hosts=["*"], resolution="NONE"), "every host"),
        (entry("a", resolution="STATIC", endpoints=[{"address": "b.example.com"}]), "must be an IP address"),
        (entry("a", workloadSelector={}), "no workloads"),
        (entry("a", resolution="DYNAMIC_DNS"), "is for wildcard hosts"),
        (entry("a", hosts=["*.a.com"], resolution="DYNAMIC_DNS"), "DYNAMIC_DNS does not support protocol TCP"),
        (routing("a.com", {"mirror": {"host": "b.com"}}), r"VirtualService fields: http\.mirror$"),
        (routing("a.com", {"match": [{"queryParams": {}}]}), r"VirtualService fields: http\.match\.queryParams$"),
        (routing("a.com", {"match": [{"headers": {"x": {"suffix": "a"}}}]}), r"http\.match\.headers\.x\.suffix$"),
        (routing("a.com", gateways=["g"], tls=[]), "VirtualService fields: gateways, tls$"),
        (routing("*", {}), "VirtualService for host"),
        (routing("a.com", {"route": []}), "no destination with a weight"),
        (routing("a.com", {"route": [{"destination": {"host": "b.com"}}] * 2}), "no destination with a weight"),
        (routing("a.com", {"fault": {"delay": {"percentage": {"value": 1}}}}), "a delay needs fixedDelay"),
        (routing("a.com", {"fault": {"abort": {"httpStatus": 700}}}), "can't respond with status 700"),
        (routing("a.com", {"fault": {"abort": {"grpcStatus": "NO"}}}), "'NO' is not a gRPC status"),
        (rule("a.com", loadBalancer={"simple": "RANDOM"}), r"DestinationRule fields: trafficPolicy\.loadBalancer$"),
        (rule("a.com", tls={"mode": "ISTIO_MUTUAL"}), "no client certificate"),
    ],
)
def test_unsupported(bad: dict[str, Any], why: str) -> None:
    """The message names the object and the reason."""
    with pytest.raises(ValueError, match=why) as caught:
        compiled(bad)
    assert f"{bad['kind']} default/{bad['metadata']['name']}" in str(caught.value)


def test_tls_needs_ca_certificates() -> None:
    """On a machine without CA certificates TLS to services is rejected, unless it is not verified."""
    checked = rule("a.com", portLevelSettings=[{"port": {"number": 80}, "tls": {"mode": "SIMPLE"}}])
    unchecked = rule("a.com", tls={"mode": "SIMPLE", "insecureSkipVerify": True})
    assert "no CA certificates" in str(unsupported(checked, None))
    assert unsupported(checked, TRUST) is None
    assert unsupported(unchecked, None) is None


NAMES = st.sampled_from(["a", "b", "c"])
PORTS = st.lists(
    st.builds(port, st.sampled_from([80, 443, 8000]), st.sampled_from(["HTTP", "HTTPS", "TCP", "GRPC"])),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item["number"],
)
ADDRESSES = st.lists(st.sampled_from(["198.51.100.7", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]), max_size=3)
ENTRIES = st.builds(
    lambda name, namespace, ports, addresses: entry(name, namespace, ports=ports, addresses=addresses),
    NAMES,
    st.sampled_from(["default", "other"]),
    PORTS,
    ADDRESSES,
)


@given(st.lists(ENTRIES, max_size=6))
def test_names_are_unique(entries: list[dict[str, Any]]) -> None:
    """Whatever the entries, names are unique, and no route or chain refers to a cluster that does not exist."""
    files = compiled(*entries)
    clusters = [item["name"] for item in files.clusters.resources]
    listeners = [item["name"] for item in files.listeners.resources]
    assert len(set(clusters)) == len(clusters)
    assert len(set(listeners)) == len(listeners)
    texts = [file.content.decode() for name, file in files.by_name().items() if name != "cds.json"]
    used = {line.split('"')[3] for text in texts for line in text.splitlines() if '"cluster":' in line}
    assert used <= set(clusters)
