"""What happens to a connection: probes, explanations, and the registry as a namespace sees it."""

from egress.v1 import explain_pb2
from egress.v1 import probe_pb2 as pb
from egress_server.commands.explain import (
    Basis,
    Explain,
    Explained,
    ListRegistry,
    RegistryPage,
    explain_destination,
    list_registry,
)
from egress_server.commands.probe import JudgedAttempt, Probe, ProbeResult, probe
from egress_server.contract.agent import attempt_to_proto
from egress_server.contract.common import read_seconds
from egress_server.contract.probe import (
    curl_command,
    read_attempt,
    read_destination,
    read_http,
    write_expectation,
    write_explanation,
    write_item,
    write_quantiles,
)
from egress_server.domain.model.addresses import address_problem
from egress_server.domain.model.limits import (
    ATTEMPTS_WITH_HEADERS,
    DEFAULT_PROBE_TIMEOUT,
    MAX_PROBE_COUNT,
    MAX_PROBE_TIMEOUT,
)
from egress_server.domain.model.names import ResourceKind, check_label, expect_name
from egress_server.domain.probe.agreement import Agreement
from egress_server.domain.simulate.evaluate import Request
from egress_server.domain.validate import Problems
from egress_server.domain.validate.http import method_problem
from egress_server.domain.validate.selectors import check_labels, check_namespace
from egress_server.wire.grammar.collection import read_listing
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import DEFAULT_NAMESPACE


def _decode_probe(request: pb.ProbeRequest) -> Probe:
    problems = Problems()
    cluster = expect_name("cluster", request.cluster, ResourceKind.CLUSTER)
    if request.namespace:
        check_namespace(request.namespace, problems.at("namespace"))
    timeout = read_seconds(request.timeout) if request.HasField("timeout") else DEFAULT_PROBE_TIMEOUT
    if not 0 < timeout <= MAX_PROBE_TIMEOUT:
        problems.at("timeout").add(f"must be more than 0 and at most {MAX_PROBE_TIMEOUT:g} s")
    if request.min_applied_revision < 0:
        problems.at("min_applied_revision").add("must not be negative")
    if not 0 <= request.count <= MAX_PROBE_COUNT:
        problems.at("count").add(f"must be 1 to {MAX_PROBE_COUNT}")
    destination = read_destination(request.url, problems.at("url"))
    _check_resolve(request.resolve, problems.at("resolve"))
    attempt = read_attempt(request, destination, timeout, problems)
    problems.raise_if_any()
    return Probe(cluster, request.namespace, attempt, request.min_applied_revision, request.count or 1)


def _check_resolve(resolve: str, problems: Problems) -> None:
    if not resolve:
        return
    try:
        problem = "must not name an interface" if "%" in resolve else address_problem(resolve)
    except ValueError:
        problem = "must be an IP address"
    if problem:
        problems.add(problem)


_AGREES = {Agreement.AGREES: True, Agreement.DIFFERS: False, Agreement.UNKNOWN: None}


def _encode_probe(result: ProbeResult) -> pb.ProbeResponse:
    causes = (*result.summary.causes, *result.cut_short)
    return pb.ProbeResponse(
        outcome=pb.ProbeResponse.Outcome.Value(result.summary.outcome.value),
        expected=write_expectation(result.expected),
        agrees=_AGREES[result.summary.agreement],
        attempts=[_write_attempt(each, headers=n < ATTEMPTS_WITH_HEADERS) for n, each in enumerate(result.attempts)],
        causes=[pb.ProbeCause(code=c.code, text=c.text, evidence=c.evidence) for c in causes],
        curl=curl_command(result.attempt),
        agent=result.agent.agent,
        applied_revision=result.applied_revision,
        counts={outcome.value: count for outcome, count in result.summary.counts.items()},
        quantiles=write_quantiles(result.quantiles),
    )


def _write_attempt(judged: JudgedAttempt, *, headers: bool) -> pb.ProbeAttempt:
    attempt = attempt_to_proto(judged.evidence, judged.verdict.upstream)
    attempt.outcome = pb.ProbeResponse.Outcome.Value(judged.verdict.outcome.value)
    if not headers:
        attempt.ClearField("headers")
    return attempt


def _decode_explain(request: explain_pb2.ExplainRequest) -> Explain:
    cluster = expect_name("cluster", request.cluster, ResourceKind.CLUSTER)
    namespace = check_label("namespace", request.namespace or DEFAULT_NAMESPACE, "namespace")
    problems = Problems()
    labels = dict(request.labels)
    check_labels(labels, problems.at("labels"))
    destination = read_destination(request.url, problems.at("url"))
    method, headers = read_http(request, destination, problems)
    if problem := method_problem(method):
        problems.at("method").add(problem)
    _check_resolve(request.resolve, problems.at("resolve"))
    if request.basis not in explain_pb2.ExplainRequest.Basis.values():
        problems.at("basis").add(f"{request.basis} is unknown; must be one of LIVE, MODEL")
    problems.raise_if_any()
    basis = Basis(explain_pb2.ExplainRequest.Basis.Name(request.basis))
    return Explain(cluster, Request(destination, namespace, labels, request.resolve, headers, method), basis)


def _encode_explain(explained: Explained) -> explain_pb2.ExplainResponse:
    return write_explanation(explained.explanation, explained.agent.agent if explained.agent else "")


def _decode_list_registry(request: explain_pb2.ListRegistryRequest) -> ListRegistry:
    cluster = expect_name("parent", request.parent, ResourceKind.CLUSTER)
    namespace = check_label("namespace", request.namespace or DEFAULT_NAMESPACE, "namespace")
    filters = ("host", "port", "owner", "owner_kind", "visible")
    return ListRegistry(cluster, namespace, read_listing(request, filters, key_field="host", view=namespace))


def _encode_list_registry(page: RegistryPage) -> explain_pb2.ListRegistryResponse:
    return explain_pb2.ListRegistryResponse(
        items=(write_item(item, page.managers) for item in page.items),
        next_page_token=page.next_page_token,
        revision=page.revision,
    )


HANDLERS: Handlers = {
    "Probe": handler(_decode_probe, probe, _encode_probe),
    "Explain": handler(_decode_explain, explain_destination, _encode_explain),
    "ListRegistry": handler(_decode_list_registry, list_registry, _encode_list_registry),
}
