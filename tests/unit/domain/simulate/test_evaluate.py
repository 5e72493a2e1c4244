"""What policy does with a destination."""

import pytest

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.selectors import Scope
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.simulate.evaluate import Request, evaluate, predict
from tests.support.meshes import BIRTH, History, cluster, entry, policy, ports

HTTP = Destination("http", "bank.example.com", 80)
HTTPS = Destination("https", "bank.example.com", 443)
ALL = policy("ALLOW_ANY").name
OTHER = Destination("http", "other.example.com", 80)


def held(*resources: Resource) -> Effective:
    """The policy in effect on one cluster, given these resources in this order."""
    return effective(History(cluster(), *resources).snapshot, cluster(), BIRTH)


@pytest.mark.parametrize(
    ("resources", "destination", "outcome", "decided_by", "revision"),
    [
        ([], HTTP, Outcome.PASSTHROUGH, "", 0),
        ([policy("ALLOW_ANY")], HTTP, Outcome.PASSTHROUGH, ALL, 3),
        ([policy("REGISTRY_ONLY")], HTTP, Outcome.BLOCKED, ALL, 3),
        ([policy("REGISTRY_ONLY"), entry("bank")], HTTP, Outcome.REGISTERED, entry("bank").name, 4),
        ([policy("REGISTRY_ONLY"), entry("bank")], HTTPS, Outcome.REGISTERED, entry("bank").name, 4),
        ([policy("REGISTRY_ONLY"), entry("bank")], OTHER, Outcome.BLOCKED, ALL, 3),
        ([entry("bank")], OTHER, Outcome.PASSTHROUGH, "", 0),
        ([policy("ALLOW_ANY", "lab", scope=Scope("lab")), policy("REGISTRY_ONLY")], HTTP, Outcome.BLOCKED, ALL, 4),
    ],
)  # fmt: skip
def test_table(
    resources: list[Resource], destination: Destination, outcome: Outcome, decided_by: str, revision: int
) -> None:
    """An entry for the destination decides, otherwise the policy of the workload, otherwise Istio's default."""
    expected = predict(held(*resources), "default", destination)
    assert (expected.outcome, expected.resource, expected.revision) == (outcome, decided_by, revision)


@pytest.mark.parametrize(
    ("protocol", "scheme", "serves"),
    [
        ("HTTP", "http", True),
        ("HTTP", "https", False),
        ("GRPC", "http", True),
        ("GRPC-WEB", "http", True),
        ("HTTPS", "https", True),
        ("TLS", "https", True),
        ("TLS", "http", False),
        ("TCP", "http", True),
        ("TCP", "https", True),
        ("MONGO", "http", True),
    ],
)
def test_protocols(protocol: str, scheme: str, serves: bool) -> None:
    """HTTP ports use the Host, TLS ports the server name, and opaque ones capture everything."""
    wanted = held(entry("bank", ports=ports(f"8000:{protocol}")))
    found = evaluate(wanted, Request(Destination(scheme, "bank.example.com", 8000), "default")).owner
    assert (found is not None) is serves


def owner(*entries: Resource, namespace: str = "default", destination: Destination = HTTP) -> str | None:
    """NAMESPACE/ID of the entry that gets the connection."""
    found = evaluate(held(*entries), Request(destination, namespace)).owner
    return f"{found.entry.namespace}/{found.entry.name.rpartition('/')[2]}" if found else None


HOSTS = ("bank.example.com",)


def test_exact_host_beats_wildcard_and_longer_beats_shorter() -> None:
    """The closest host pattern wins, whatever its age; if it lacks the port, the next one does."""
    wide = entry("wide", hosts=("*.com",))
    narrow = entry("narrow", hosts=("*.example.com",))
    exact = entry("exact", hosts=HOSTS)
    assert owner(wide, narrow, exact) == "default/exact"
    assert owner(wide, narrow) == "default/narrow"
    assert owner(wide, entry("exact", hosts=HOSTS, ports=ports("81:HTTP"))) == "default/wide"


def test_own_namespace_beats_older_and_else_the_oldest_wins() -> None:
    """Of entries for one host the client's own namespace wins even if newer, else the oldest; a later change does not
    make an entry younger."""
    shop, prod = entry("s", namespace="shop", hosts=HOSTS), entry("p", namespace="prod", hosts=HOSTS)
    assert owner(shop, prod, namespace="prod") == "prod/p"
    assert owner(shop, prod, namespace="default") == "shop/s"
    assert owner(shop, prod, shop, namespace="default") == "shop/s"


def test_namespaces_do_not_merge() -> None:
    """An entry of the preferred namespace hides ports of the host that only another namespace's entry has."""
    shop = entry("s", namespace="shop", hosts=HOSTS, ports=ports("81:HTTP"))
    prod = entry("p", namespace="prod", hosts=HOSTS, ports=ports("80:HTTP"))
    assert owner(shop, prod, namespace="prod") == "prod/p"
    assert owner(shop, prod, namespace="shop") is None
    assert owner(shop, prod, namespace="default") is None


def test_ports_merge_within_a_namespace() -> None:
    """Entries of one namespace share a host; of two for one port the older one is used."""
    first = entry("first", hosts=HOSTS, ports=ports("443:TLS"))
    second = entry("second", hosts=HOSTS, ports=ports("80:HTTP", "443:TCP"))
    assert owner(first, second) == "default/second"
    assert owner(first, second, destination=HTTPS) == "default/first"


@pytest.mark.parametrize(
    ("export_to", "namespace", "seen"),
    [
        ((), "prod", True),
        (("*",), "prod", True),
        ((".",), "prod", False),
        ((".",), "default", True),
        (("prod",), "prod", True),
        (("prod",), "default", False),
    ],
)
def test_visibility(export_to: tuple[str, ...], namespace: str, seen: bool) -> None:
    """An entry applies only to the namespaces that it is exported to."""
    assert (owner(entry("bank", export_to=export_to), namespace=namespace) is not None) is seen


def test_labels_choose_the_policy() -> None:
    """A policy for some workloads of a namespace applies to those only."""
    wanted = held(policy("REGISTRY_ONLY", "m"), policy("ALLOW_ANY", "w", scope=Scope("default", {"app": "crawler"})))
    assert predict(wanted, "default", HTTP, {"app": "crawler"}).outcome is Outcome.PASSTHROUGH
    assert predict(wanted, "default", HTTP, {"app": "web"}).outcome is Outcome.BLOCKED
