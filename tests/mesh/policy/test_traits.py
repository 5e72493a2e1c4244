"""What entries and faults do to traffic on a real mesh, counted where it arrives."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from egress import (
    ConnectionLimits,
    EgressClient,
    HeaderMatch,
    OutlierDetection,
    Retries,
    Route,
    TlsOrigination,
    WeightedDestination,
)
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run
from tests.mesh.harness.workload.curl import Answer
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.harness.world.world import World


@dataclass(frozen=True, slots=True)
class Place:
    """A closed mesh that is driven, its workload, and what lies outside."""

    client: EgressClient
    curl: Workload
    world: World

    def entry(self, host: str, *ports: str, **traffic: object) -> None:
        """Register a host, and wait until it answers something else than `closed`."""
        ports = ports or ("80:HTTP:http",)
        self.client.upsert_service_entry(host, hosts=[host], ports=ports, **traffic)  # type: ignore[arg-type]
        self.until(host, lambda answer: answer.status not in {0, 502})

    def ask(self, host: str, *words: str) -> Answer:
        """One request by plain HTTP."""
        return self.curl.curl(f"http://{host}/", *words)

    def until(self, host: str, condition: Callable[[Answer], bool], *words: str) -> Answer:
        """Repeats a request until the answer is as wanted; returns that answer."""
        return self.curl.until(lambda: self.ask(host, *words), condition, f"{host} as wanted")

    def arrived(self, host: str) -> int:
        """How many requests for the host have arrived."""
        return len(self.world.seen(host))


@pytest.fixture
def place(run: Run, mesh: Mesh, curl: Workload) -> Iterator[Place]:
    """REGISTRY_ONLY holds already."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        egressd.client.set_outbound_policy("REGISTRY_ONLY", suppress_findings=["EGR0302"]).wait(until="applied")
        place = Place(egressd.client, curl, mesh.world)
        place.until("nobody.example.com", lambda answer: answer.status == 502)
        yield place
        egressd.clear()


def test_traits(place: Place, subtests: pytest.Subtests) -> None:
    """Each does what it says."""
    for trait in (
        retries_are_tries_beyond_the_first,
        no_retries_is_one_try,
        a_timeout_ends_a_request,
        a_header_sends_requests_elsewhere,
        weights_share_requests_out,
        the_sidecar_speaks_tls,
        a_failing_address_is_taken_out,
        more_connections_than_allowed_are_refused,
        each_of_several_faults_has_its_own_requests,
        a_percentage_hits_some,
    ):
        with subtests.test(trait.__name__):
            trait(place)


def retries_are_tries_beyond_the_first(place: Place) -> None:
    """Three attempts are four requests."""
    host = "retries.example.com"
    place.entry(host, retries=Retries(attempts=3, retry_on=["5xx"]))
    place.world.behave(host, status=503)
    before = place.arrived(host)
    assert place.ask(host).status == 503
    assert place.arrived(host) - before == 4


def no_retries_is_one_try(place: Place) -> None:
    """Zero turns Istio's own two off."""
    host = "once.example.com"
    place.entry(host, retries=0)
    place.world.behave(host, status=503)
    before = place.arrived(host)
    assert place.ask(host).status == 503
    assert place.arrived(host) - before == 1


def a_timeout_ends_a_request(place: Place) -> None:
    """The sidecar answers 504 long before the service would."""
    host = "slow.example.com"
    place.entry(host, request_timeout=0.5, retries=0)
    place.world.behave(host, delay=5.0)
    answer = place.until(host, lambda answer: answer.status == 504)
    assert answer.seconds < 4.0


def a_header_sends_requests_elsewhere(place: Place) -> None:
    """Only those that carry it."""
    host, canary = "routed.example.com", "canary.example.com"
    place.world.name(canary, "198.51.100.99")
    place.entry(canary)
    match = [HeaderMatch(name="x-canary", exact="yes")]
    route = Route(match_headers=match, destinations=[WeightedDestination(host=canary)])
    place.entry(host, routes=[route])

    def served_by(*words: str) -> str:
        return place.ask(host, *words).headers.get("x-served-by", "")

    place.until(host, lambda a: a.headers.get("x-served-by") == "198.51.100.99:80", "-H", "x-canary: yes")
    assert served_by("-H", "x-canary: no") != "198.51.100.99:80"
    assert served_by() != "198.51.100.99:80"


def weights_share_requests_out(place: Place) -> None:
    """Both of two get some; with even weights neither gets nearly all of forty."""
    host, other = "shared.example.com", "half.example.com"
    place.world.name(other, "198.51.100.98")
    place.entry(other)
    halves = [WeightedDestination(host=each, weight=50) for each in (host, other)]
    place.entry(host, routes=[Route(destinations=halves)])
    place.until(host, lambda answer: answer.headers.get("x-served-by") == "198.51.100.98:80")
    with ThreadPoolExecutor(4) as asking:
        servers = Counter(a.headers["x-served-by"] for a in asking.map(lambda _: place.ask(host), range(40)))
    assert servers["198.51.100.98:80"] in range(5, 36), servers


def the_sidecar_speaks_tls(place: Place) -> None:
    """Plain HTTP from the workload arrives by TLS, with the host's name, and the workload's own TLS still does."""
    host = "secure.example.com"
    tls = TlsOrigination(insecure_skip_verify=True)
    place.entry(host, "80:HTTP:http:443", "443:HTTPS:https", tls_origination=tls)
    answer = place.until(host, lambda answer: answer.status == 200)
    assert answer.routed
    last = place.world.seen(host)[-1]
    assert (last.port, last.tls_name) == (443, host)
    assert place.curl.https(host).status == 200


def a_failing_address_is_taken_out(place: Place) -> None:
    """After two errors in a row requests no longer arrive."""
    host = "failing.example.com"
    detection = OutlierDetection(
        consecutive_5xx_errors=2, interval=_duration(0.2), base_ejection_time=_duration(30), max_ejection_percent=100
    )
    place.entry(host, retries=0, outlier_detection=detection)
    place.world.behave(host, status=500)
    place.until(host, lambda answer: answer.status == 503)
    before = place.arrived(host)
    assert place.ask(host).status == 503
    assert place.arrived(host) == before


def more_connections_than_allowed_are_refused(place: Place) -> None:
    """With one connection and one that waits, some of six at a time get 503, and no more than two arrive."""
    host = "narrow.example.com"
    place.entry(host, retries=0, connection_limits=ConnectionLimits(max_connections=1, max_pending_requests=1))
    place.world.behave(host, delay=1.0)
    with ThreadPoolExecutor(6) as asking:
        statuses = Counter(answer.status for answer in asking.map(lambda _: place.ask(host), range(6)))
    assert statuses[503] >= 3, statuses
    assert statuses[301] >= 1, statuses


def each_of_several_faults_has_its_own_requests(place: Place) -> None:
    """The one that asks for more of a request comes first; without it the other holds for all."""
    host = "faults.example.com"
    place.entry(host)
    place.client.inject_fault(host, id="all", abort=503)
    place.client.inject_fault(host, id="teapots", abort=418, headers={"x-tea": "1"})
    place.until(host, lambda answer: answer.status == 418, "-H", "x-tea: 1")
    assert place.ask(host).status == 503
    place.client.clear_fault("teapots")
    place.until(host, lambda answer: answer.status == 503, "-H", "x-tea: 1")
    place.client.clear_fault("all")
    place.until(host, lambda answer: answer.status == 301)


def a_percentage_hits_some(place: Place) -> None:
    """Of forty requests under a fault of 50 % neither nearly all nor nearly none."""
    host = "dice.example.com"
    place.entry(host)
    place.client.inject_fault(host, abort=503, percent=50)
    place.until(host, lambda answer: answer.status == 503)
    with ThreadPoolExecutor(4) as asking:
        statuses = Counter(answer.status for answer in asking.map(lambda _: place.ask(host), range(40)))
    assert statuses[503] in range(5, 36), statuses
    assert statuses[503] + statuses[301] == 40, statuses


def _duration(seconds: float) -> Duration:
    length = Duration()
    length.FromTimedelta(timedelta(seconds=seconds))
    return length
