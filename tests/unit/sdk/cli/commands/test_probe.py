"""egressctl probe."""

import pytest
from google.protobuf.duration_pb2 import Duration

from egress.v1.probe_pb2 import ProbeAttempt, ProbeRequest, ProbeResponse
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import probed
from tests.unit.sdk.fake_server import FakeServer

URL = "http://www.aliyun.com"


def test_probe(ctl: Run, server: FakeServer) -> None:
    """The response as curl -I prints it comes first, then verdict, causes with evidence, and details."""
    server.answer("Probe", probed())
    done = ctl("probe", URL, "--from", "local")
    assert done.code == 0
    assert done.out.splitlines() == [
        "HTTP/1.1 502 Bad Gateway",
        "server: envoy",
        "",
        "outcome BLOCKED   expected BLOCKED by meshes/default/outboundPolicies/default (revision 17)   agrees yes",
        "NO_UPSTREAM: no upstream was asked",
        "    counters[0] unchanged",
        "",
        "timings  connect 1.5 ms, total 12.3 ms",
        "address  192.0.2.1:80 (captured by the sidecar)",
        "upstream none",
        "attempts 1",
        "agent    local-0 (cluster at revision 17)",
        "as curl  curl -I http://www.aliyun.com",
    ]


def test_every_option(ctl: Run, server: FakeServer) -> None:
    """Each option arrives in its field."""
    ctl(
        "probe", URL, "--from", "local/shop", "--method", "GET", "--header", "k=v", "--resolve", "192.0.2.1",
        "--timeout", "1s500ms", "--min-revision", "7", "--count", "20",
    )  # fmt: skip
    assert server.sent("Probe") == [
        ProbeRequest(
            cluster="meshes/default/clusters/local",
            namespace="shop",
            url=URL,
            method="GET",
            headers={"k": "v"},
            resolve="192.0.2.1",
            timeout=Duration(seconds=1, nanos=500_000_000),
            min_applied_revision=7,
            count=20,
        )
    ]


@pytest.mark.parametrize(
    ("agrees", "expected", "outcome", "code", "words"),
    [
        (True, "BLOCKED", "BLOCKED", 0, "yes"),
        (False, "REGISTERED", "BLOCKED", 4, "NO"),
        (None, "REGISTERED", "INCONCLUSIVE", 5, "unknown"),
        (None, "REGISTERED", "UNREACHABLE", 5, "unknown"),
        (None, "INCONCLUSIVE", "INCONCLUSIVE", 5, "unknown"),
        (None, "INCONCLUSIVE", "REGISTERED", 0, "unknown"),
    ],
)
def test_agreement(
    ctl: Run, server: FakeServer, agrees: bool | None, expected: str, outcome: str, code: int, words: str
) -> None:
    """A probe that contradicts the policy exits with status 4, one that can't tell with 5; if the policy predicts
    nothing, there is nothing to contradict."""
    reply = probed(agrees=agrees)
    reply.expected.outcome = ProbeResponse.Outcome.Value(expected)
    reply.outcome = ProbeResponse.Outcome.Value(outcome)
    server.answer("Probe", reply)
    done = ctl("probe", URL, "--from", "local")
    assert done.code == code
    assert f"agrees {words}" in done.out


def test_alternatives(ctl: Run, server: FakeServer) -> None:
    """All outcomes that agree are shown."""
    expected = ProbeResponse.Expectation(outcome=ProbeResponse.FAULTED, also=[ProbeResponse.REGISTERED])
    server.answer("Probe", ProbeResponse(outcome=ProbeResponse.REGISTERED, expected=expected, agrees=True))
    assert "expected FAULTED or REGISTERED by default   agrees yes" in ctl("probe", URL, "--from", "local").out


def test_json(ctl: Run, server: FakeServer) -> None:
    """-o json has outcome, expected and agrees, and the same exit status."""
    server.answer("Probe", probed(agrees=False))
    done = ctl("probe", URL, "--from", "local", "-o", "json")
    assert done.code == 4
    assert done.json["outcome"] == "BLOCKED"
    assert done.json["expected"]["outcome"] == "BLOCKED"
    assert done.json["agrees"] is False


def test_distribution(ctl: Run, server: FakeServer) -> None:
    """Several attempts show the count of each outcome, and how long they took."""
    many = ProbeResponse(
        outcome=ProbeResponse.FAULTED,
        attempts=[ProbeAttempt(status=503, http_version="HTTP/1.1")] * 3,
        counts={"REGISTERED": 1, "FAULTED": 2},
        quantiles=ProbeResponse.Quantiles(min=Duration(nanos=1_000_000), p50=Duration(seconds=5)),
    )
    server.answer("Probe", many)
    told = ctl("probe", URL, "--from", "local", "--count", "3").out
    assert "outcomes 2 FAULTED, 1 REGISTERED" in told
    assert "took     min 1.0 ms, p50 5000.0 ms" in told


def test_connected(ctl: Run, server: FakeServer) -> None:
    """A connection without HTTP has no status to show."""
    server.answer("Probe", ProbeResponse(outcome=ProbeResponse.REGISTERED, attempts=[ProbeAttempt()]))
    assert ctl("probe", "tcp://db:1", "--from", "local").out.splitlines()[0] == "connected"
    (request,) = server.sent("Probe")
    assert isinstance(request, ProbeRequest)
    assert request.method == ""


def test_no_answer(ctl: Run, server: FakeServer) -> None:
    """A broken connection shows its error."""
    cut = ProbeResponse(outcome=ProbeResponse.BLOCKED, attempts=[ProbeAttempt(tls_error="unexpected EOF")])
    server.answer("Probe", cut)
    assert ctl("probe", URL, "--from", "local").out.splitlines()[0] == "no response: unexpected EOF"


def test_usage(ctl: Run) -> None:
    """--from is required, and durations have units."""
    assert ctl("probe", URL).code == 2
    assert ctl("probe", URL, "--from", "local", "--timeout", "ten").code == 2
    assert ctl("probe", URL, "--from", "local", "--count", "0").code == 2
