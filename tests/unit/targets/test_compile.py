"""What istiod would make of the objects, as bytes that people have read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.resolve import parse_resolve
from egress_server.targets.local.scoping import Workload
from egress_server.targets.local.xds import XdsFiles, compile_xds
from tests.golden.compare import assert_golden

CASES = sorted(path.parent for path in (Path(__file__).parents[2] / "golden/local").glob("*/objects.yaml"))
WORKLOAD = Workload("default", {"app": "local"})
TRUST = "/etc/ssl/certs/ca-certificates.crt"


def compiled(*objects: dict[str, Any]) -> XdsFiles:
    """The files of these objects, oldest first."""
    return compile_xds(objects, workload=WORKLOAD, resolve=(), trust=TRUST)


def sidecar(namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A Sidecar named default."""
    return {"kind": "Sidecar", "metadata": {"name": "default", "namespace": namespace}, "spec": spec}


def policy(mode: str) -> dict[str, Any]:
    """A Sidecar's spec that only sets the mode."""
    return {"outboundTrafficPolicy": {"mode": mode}}


def entry(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A ServiceEntry for NAME.example.com, TCP 8000 unless said."""
    ports = [{"number": 8000, "name": "p", "protocol": "TCP"}]
    whole = {"hosts": [f"{name}.example.com"], "ports": ports, "resolution": "DNS", **spec}
    return {"kind": "ServiceEntry", "metadata": {"name": name, "namespace": namespace}, "spec": whole}


def port(number: int, protocol: str) -> dict[str, Any]:
    """A port of a ServiceEntry."""
    return {"number": number, "name": f"p{number}", "protocol": protocol}


def blocks(files: XdsFiles) -> bool:
    """Whether unknown hosts are blocked."""
    hosts = files.routes["80"].resources[0]["virtual_hosts"]
    return bool(hosts[-1]["name"] == "block_all")


def listener(files: XdsFiles, name: str) -> dict[str, Any]:
    """The listener of that name."""
    return next(item for item in files.listeners.resources if item["name"] == name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, update_golden: bool) -> None:
    """Each case compiles to its committed files, byte for byte."""
    objects = [item for item in yaml.safe_load_all((case / "objects.yaml").read_text()) if item]
    lines = (case / "resolve.txt").read_text().split() if (case / "resolve.txt").exists() else []
    resolve = [parse_resolve(line) for line in lines]
    files = compile_xds(objects, workload=WORKLOAD, resolve=resolve, trust=TRUST)
    made = {name: file.content for name, file in files.by_name().items()}
    assert_golden(case / "want", made, update=update_golden)


def test_version_follows_content() -> None:
    """The same objects give the same bytes and version; another policy changes the version of what it touches."""
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
    ],
)
def test_policy_owner(sidecars: list[dict[str, Any]], blocked: bool) -> None:
    """The namespace's own Sidecar rules wholly, then the root one's, then ALLOW_ANY; no mode is REGISTRY_ONLY."""
    assert blocks(compiled(*sidecars)) is blocked


def test_tcp_entry_without_addresses_takes_its_port() -> None:
    """A TCP entry without addresses takes each connection to its port; the older of two wins."""
    files = compiled(entry("old"), entry("new"))
    (proxy,) = listener(files, "0.0.0.0_8000")["default_filter_chain"]["filters"][1:]
    assert proxy["typed_config"]["cluster"] == "outbound|8000||old.example.com"


def test_oldest_decides_the_protocol_of_a_port() -> None:
    """A port that the oldest entry calls HTTP is HTTP for all, and the reverse; 80 is always HTTP."""
    http, tcp = entry("a", ports=[port(8000, "HTTP")]), entry("b", ports=[port(8000, "TCP"), port(80, "TCP")])
    assert set(compiled(http, tcp).routes) == {"80", "8000"}
    assert set(compiled(tcp, http).routes) == {"80"}


def test_two_entries_of_one_address_do_not_collide() -> None:
    """Envoy refuses what claims one thing twice, so the older entry keeps it."""
    both: dict[str, Any] = {"addresses": ["198.51.100.7", "10.0.0.0/8"]}
    files = compiled(entry("a", **both), entry("b", **both, ports=[port(80, "HTTP"), port(8000, "TCP")]))
    assert len(listener(files, "0.0.0.0_8000")["filter_chains"]) == 1
    again = compiled(*(entry(name, **both, ports=[port(80, "HTTP")]) for name in "ab"))
    domains = [d for host in again.routes["80"].resources[0]["virtual_hosts"] for d in host["domains"]]
    assert domains.count("198.51.100.7") == 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"kind": "Gateway", "metadata": {"name": "g"}}, "knows no Gateway"),
        (sidecar("default", {"egress": [{"hosts": ["*/*"]}]}), "does not heed the Sidecar's egress"),
        (entry("a", resolution="SOMEHOW"), "no resolution SOMEHOW"),
        (entry("a", ports=[port(53, "UDP")]), "no protocol 'UDP'"),
        (entry("a", hosts=["*.example.com"]), "cannot resolve the wildcard host"),
        (entry("a", hosts=["*"], resolution="NONE"), "every host"),
        (entry("a", resolution="STATIC", endpoints=[{"address": "b.example.com"}]), "must be an IP address"),
        (entry("a", workloadSelector={}), "no workloads"),
    ],
)
def test_unsupported(bad: dict[str, Any], why: str) -> None:
    """What a local cluster cannot do is refused with the object's name and the reason."""
    with pytest.raises(ValueError, match=why) as caught:
        compiled(bad)
    assert f"{bad['kind']} default/{bad['metadata']['name']}" in str(caught.value)


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
def test_nothing_is_named_twice(entries: list[dict[str, Any]]) -> None:
    """Whatever the entries, names are unique and no route or chain leads to a cluster that is not there."""
    files = compiled(*entries)
    clusters = [item["name"] for item in files.clusters.resources]
    listeners = [item["name"] for item in files.listeners.resources]
    assert len(set(clusters)) == len(clusters)
    assert len(set(listeners)) == len(listeners)
    texts = [file.content.decode() for name, file in files.by_name().items() if name != "cds.json"]
    used = {line.split('"')[3] for text in texts for line in text.splitlines() if '"cluster":' in line}
    assert used <= set(clusters)
