"""Probe."""

from egress.v1 import probe_pb2 as pb
from egress_server.commands.probe import Made, Probe, ProbeResult, probe
from egress_server.contract.agent import attempt_to_proto
from egress_server.contract.common import read_seconds
from egress_server.contract.probe import (
    curl_command,
    read_attempt,
    read_destination,
    write_expectation,
    write_quantiles,
)
from egress_server.domain.model.addresses import address_problem
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_namespace
from egress_server.pipeline.pipeline import Method

DEFAULT_TIMEOUT = 10.0  # seconds
MAX_TIMEOUT = 30.0
MAX_COUNT = 100
MOST_WITH_HEADERS = 3  # a head may have 32 KiB, and an answer at most 4 MiB


def decode(request: pb.ProbeRequest) -> Probe:
    """What to ask, and from where."""
    problems = Problems()
    cluster = expect_name("cluster", request.cluster, ResourceKind.CLUSTER)
    if request.namespace:
        check_namespace(request.namespace, problems.at("namespace"))
    timeout = read_seconds(request.timeout) if request.HasField("timeout") else DEFAULT_TIMEOUT
    if not 0 < timeout <= MAX_TIMEOUT:
        problems.at("timeout").add(f"must be more than 0 and at most {MAX_TIMEOUT:g} s")
    if request.min_applied_revision < 0:
        problems.at("min_applied_revision").add("must not be negative")
    if not 0 <= request.count <= MAX_COUNT:
        problems.at("count").add(f"must be 1 to {MAX_COUNT}")
    destination = read_destination(request.url, problems.at("url"))
    _check_resolve(request.resolve, problems.at("resolve"))
    attempt = read_attempt(request, destination, timeout, problems)
    problems.raise_if_any()
    return Probe(cluster, request.namespace, attempt, request.min_applied_revision, request.count or 1)


def _check_resolve(resolve: str, problems: Problems) -> None:
    if not resolve:
        return
    try:
        wrong = "must not name an interface" if "%" in resolve else address_problem(resolve)
    except ValueError:
        wrong = "must be an IP address"
    if wrong:
        problems.add(wrong)


def encode(result: ProbeResult) -> pb.ProbeResponse:
    """Outcome, expectation and evidence."""
    causes = (*result.tally.causes, *result.cut_short)
    return pb.ProbeResponse(
        outcome=pb.ProbeResponse.Outcome.Value(result.tally.outcome.value),
        expected=write_expectation(result.expected),
        agrees=result.tally.agrees,
        attempts=[_write_attempt(made, headers=n < MOST_WITH_HEADERS) for n, made in enumerate(result.made)],
        causes=[pb.ProbeCause(code=c.code, text=c.text, evidence=c.evidence) for c in causes],
        curl=curl_command(result.attempt),
        agent=result.agent.agent,
        applied_revision=result.applied_revision,
        counts={outcome.value: count for outcome, count in result.tally.counts.items()},
        quantiles=write_quantiles(result.quantiles),
    )


def _write_attempt(made: Made, *, headers: bool) -> pb.ProbeAttempt:
    attempt = attempt_to_proto(made.evidence, made.verdict.upstream)
    attempt.outcome = pb.ProbeResponse.Outcome.Value(made.verdict.outcome.value)
    if not headers:
        attempt.ClearField("headers")
    return attempt


METHOD = Method(
    "/egress.v1.EgressService/Probe",
    pb.ProbeRequest,
    pb.ProbeResponse,
    "egress.probes.create",
    decode,
    probe,
    encode,
)
